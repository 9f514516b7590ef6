"""Image-text pairs as a source: names read off texts, files of all kinds in a row, nothing twice."""

import io
import tarfile

import pytest
from PIL import Image as Pillow

from retclip.data.image_text import ImageText, ImageTextSettings
from retclip.errors import DataError


@pytest.fixture
def pairs(tmp_path):
    for name in "abc":
        Pillow.new("RGB", (6, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / "1.csv").write_text("image,caption\na.png,Two foxes\nb.png,nothing\nc.png,a vixen and owls\n")
    buffer = io.BytesIO()
    Pillow.new("RGB", (6, 4), (255, 0, 0)).save(buffer, "PNG")
    with tarfile.open(tmp_path / "2.tar", "w") as archive:
        for name, content in (("s.png", buffer.getvalue()), ("s.txt", b"an owl")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
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


def test_an_image_twice_a_missing_one_and_no_pairs_are_told(pairs):
    with pytest.raises(DataError, match=r"b\.png"):
        (pairs / "1.csv").write_text("image,caption\nb.png,fox\nb.png,owl\n")
        list(opened(pairs, "1.csv").images())
    (pairs / "1.csv").write_text("image,caption\nd.png,fox\n")
    with pytest.raises(DataError, match=r"d\.png"):
        next(opened(pairs, "1.csv").images()).load()
    with pytest.raises(DataError, match="nowhere"):
        opened(pairs, "nowhere")
    with pytest.raises(DataError, match=r"none\.txt"):
        opened(pairs, vocabulary="none.txt")
