"""Image-text pairs as a source: names read off texts, files of all kinds in a row, nothing twice."""

import io
import tarfile

import pyarrow
import pytest
from PIL import Image as Pillow
from pyarrow import parquet

from retclip.data import file_bytes
from retclip.data.file_memory import remembering
from retclip.data.readers.text import parquet_pairs, tar_pairs
from retclip.data.readers.text.image_text import ImageText, ImageTextSettings
from retclip.errors import DataError


def shard(file, stem="s"):
    buffer = io.BytesIO()
    Pillow.new("RGB", (6, 4), (255, 0, 0)).save(buffer, "PNG")
    file.parent.mkdir(exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for name, content in ((f"{stem}.png", buffer.getvalue()), (f"{stem}.txt", b"an owl")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def pairs(tmp_path):
    for name in "abc":
        Pillow.new("RGB", (6, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / "1.csv").write_text("image,caption\na.png,Two foxes\nb.png,nothing\nc.png,a vixen and owls\n")
    shard(tmp_path / "2.tar")
    (tmp_path / "words.txt").write_text("fox, vixen | thing\nowl\n")
    return tmp_path


def opened(root, path="", **settings):
    return ImageText(ImageTextSettings(path=str(root / path), **{"vocabulary": str(root / "words.txt"), **settings}))


def shown(source):
    return {one.external_id: one.class_names for one in source.images()}


def test_captions_name_classes_by_any_of_their_terms(pairs):
    source = opened(pairs)
    assert [(one.name, one.is_thing, one.synonyms) for one in source.classes()] == [
        ("fox", True, ("vixen",)), ("owl", None, ()),
    ]  # fmt: skip
    assert shown(source) == {"1.csv/a.png": ("fox",), "1.csv/c.png": ("fox", "owl"), "2.tar/s": ("owl",)}
    records = list(source.images())
    assert len(source) == len(source) == 3
    assert [one.load().size for one in records] == [(4, 6)] * 3
    assert records[2].load().pixels[0, 0].tolist() == [255, 0, 0] and records[2].extra["text"] == "an owl"
    assert all(one.file_digest() == one.load().sha256 for one in records)


def test_a_file_a_glob_and_what_names_nothing(pairs):
    assert list(shown(opened(pairs, "2.tar"))) == ["2.tar/s"] == list(shown(opened(pairs, "*.tar")))
    assert shown(opened(pairs, "1.csv", keep_unnamed=True))["1.csv/b.png"] == ()
    assert shown(opened(pairs, "1.csv", vocabulary="owl")) == {"1.csv/c.png": ("owl",)}
    assert shown(opened(pairs, "1.csv", only="owl")) == {"1.csv/c.png": ("owl",)}


def test_tags_are_whole_names(pairs):
    (pairs / "1.csv").write_text("file,tags\na.png,red fox; owl\nb.png,Foxes|x\n")
    assert shown(opened(pairs, "1.csv", text="tags")) == {"1.csv/a.png": ("owl",), "1.csv/b.png": ("fox",)}


def test_an_image_of_several_captions_shows_the_classes_of_all(pairs):
    text = "image,caption\nb.png,a fox\na.png,nothing\nb.png,big\n./b.png,an owl\na.png,two\nc.png,owl\na.png,vixen\n"
    (pairs / "1.csv").write_text(text)
    source = opened(pairs, "1.csv")
    wanted = {"1.csv/b.png": ("fox", "owl"), "1.csv/a.png": ("fox",), "1.csv/c.png": ("owl",)}
    assert shown(source) == wanted == shown(source) and len(source) == 3 and not source.passed_over()
    (pairs / "1.csv").write_text("image,tags\na.png,the big\na.png,owl;x\na.png,red\na.png,fox\n")
    assert shown(opened(pairs, "1.csv", text="tags", vocabulary="big owl,owl,fox")) == {"1.csv/a.png": ("owl", "fox")}


def test_words_of_two_captions_make_no_name(pairs):
    columns = {"image": ["a.png", "b.png"], "caption": [["it is red", "square tiles"], ["a red square", "x"]]}
    parquet.write_table(pyarrow.table(columns), pairs / "3.parquet")
    assert shown(opened(pairs, "3.parquet", vocabulary="red square")) == {"3.parquet/b.png": ("red square",)}


def test_a_bad_record_costs_that_record_and_is_listed(pairs):
    (pairs / "1.csv").write_text("image,caption\na.png,fox\n,owl\nc.png,an elk\nhttp://x/b.png,owl\nb.png,owl\n")
    source = opened(pairs)
    assert shown(source) == {"1.csv/a.png": ("fox",), "1.csv/b.png": ("owl",), "2.tar/s": ("owl",)}
    told = source.passed_over()
    assert told.counts == {"records that cannot be read": 2, "images whose text names no class": 1}
    assert [part.record for part in told.bad] == [f"row {number} of {pairs / '1.csv'}" for number in (3, 5)]
    assert "download the images first" in told.bad[1].reason and told.bad[0].uri == str(pairs / "1.csv")
    assert "images whose text names no class" not in opened(pairs, keep_unnamed=True).passed_over().counts


def test_a_damaged_file_costs_what_lies_behind_the_damage(pairs):
    shard(pairs / "3.tar", "t")
    content = (pairs / "3.tar").read_bytes()
    (pairs / "3.tar").write_bytes(content[:1100])  # in the header of the text
    source = opened(pairs, "*.tar")
    assert list(shown(source)) == ["2.tar/s"] and len(source) == 1
    assert [part.uri for part in source.passed_over().bad] == [str(pairs / "3.tar")] * 2  # the sample, and the rest
    (pairs / "2.tar").unlink()
    with pytest.raises(DataError, match=r"3\.tar"):
        len(opened(pairs, "*.tar"))


def test_two_samples_of_one_name_are_not_joined(pairs):
    with tarfile.open(pairs / "3.tar", "w") as archive:
        for stem in "sts":
            for name, content in ((f"{stem}.png", (pairs / "a.png").read_bytes()), (f"{stem}.txt", b"an owl, a fox")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    source = opened(pairs, "3.tar")
    assert list(shown(source)) == ["3.tar/s", "3.tar/t"] and len(source) == 2
    assert [part.record for part in source.passed_over().bad] == [f"sample 's' of {pairs / '3.tar'}"]


def test_a_missing_image_and_no_pairs_are_told(pairs):
    (pairs / "1.csv").write_text("image,caption\nd.png,fox\n")
    with pytest.raises(DataError, match=r"d\.png"):
        next(opened(pairs, "1.csv").images()).load()
    with pytest.raises(DataError, match="nowhere"):
        opened(pairs, "nowhere")
    with pytest.raises(DataError, match=r"none\.txt"):
        opened(pairs, vocabulary="none.txt")


def test_a_key_that_is_no_unicode(pairs):
    shard(pairs / "3.tar", "caf\udce9")
    (found,) = opened(pairs, "3.tar").images()
    assert found.external_id == "3.tar/caf\udce9" and found.load().size == (4, 6)


def test_what_lies_beside_the_shards_of_img2dataset_and_macos_is_passed_over(pairs):
    parquet.write_table(pyarrow.table({"url": ["http://x/s.png"], "caption": ["an owl"]}), pairs / "2.parquet")
    (pairs / "._2.tar").write_bytes(b"\0\5\x16\7")
    (pairs / "1.csv").unlink()
    assert list(shown(opened(pairs))) == ["2.tar/s"] == list(shown(opened(pairs, "2.*")))
    with pytest.raises(DataError, match=r"2\.parquet"):
        shown(opened(pairs, "2.parquet"))  # named outright


def test_files_of_one_name_in_several_folders(pairs):
    for folder in "xy":
        shard(pairs / folder / "0.tar")
    assert list(shown(opened(pairs, "?/0.tar"))) == ["x/0.tar/s", "y/0.tar/s"]
    assert list(shown(opened(pairs, "x/*.tar"))) == ["0.tar/s"]


def test_captions_and_images_of_null_end_no_walk(pairs):
    content = (pairs / "a.png").read_bytes()
    columns = {"image": [content, None, content], "caption": ["an owl", "a fox", None]}
    parquet.write_table(pyarrow.table(columns), pairs / "3.parquet")
    first, second, third = opened(pairs, "3.parquet", keep_unnamed=True).images()
    assert [one.class_names for one in (first, second, third)] == [("owl",), ("fox",), ()] and third.load()
    for work in (second.load, second.file_digest):
        with pytest.raises(DataError, match=r"row 2 of .*null.*complete or remove the row"):
            work()


def test_a_split_is_refused(pairs):
    with pytest.raises(DataError, match=r"no split.*'train'"):
        opened(pairs, split="train")


def test_the_photos_of_known_shards_are_not_read_for_their_digests(tmp_path, monkeypatch):
    """In a tar file, as bytes in Parquet, and in a struct; a photo beside a Parquet file is read each time."""
    monkeypatch.setattr(file_bytes, "SETTLED", -1.0)  # files of a test are young
    (tmp_path / "words.txt").write_text("fox\nowl\n")
    shard(tmp_path / "0.tar")
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    mixed = [{"bytes": b"a", "path": "a.png"}, {"path": "b.png"}]
    (tmp_path / "b.png").write_bytes(b"before")
    for name, images, of in (
        ("1", [b"x", b"y"], None),
        ("2", [{"bytes": b"z", "path": "p"}] * 2, kind),
        ("3", mixed, kind),
    ):
        table = pyarrow.table({"image": pyarrow.array(images, of), "text": ["owl", "fox"]})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    source, reads = opened(tmp_path), []
    cell, member = parquet_pairs._cell, tar_pairs._member
    monkeypatch.setattr(parquet_pairs, "_cell", lambda file, *place: reads.append(file.name) or cell(file, *place))
    monkeypatch.setattr(tar_pairs, "_member", lambda file, *place: reads.append(file.name) or member(file, *place))
    with remembering(tmp_path / "memory"):
        first = [record.file_digest() for record in source.images()]
        assert reads == ["0.tar", *["1.parquet"] * 2, *["2.parquet"] * 2, *["3.parquet"] * 2]
        reads.clear()
        assert [record.file_digest() for record in source.images()] == first and reads == ["3.parquet"] * 2
        (tmp_path / "b.png").write_bytes(b"after")
        again = [record.file_digest() for record in source.images()]
        assert again[:-1] == first[:-1] and again[-1] != first[-1]
        shard(tmp_path / "0.tar", stem="t")
        reads.clear()
        assert [record.file_digest() for record in source.images()][:1] == first[:1] and reads[0] == "0.tar"
