"""Images and texts in CSV, TSV, Parquet and tar shards; and what is refused."""

import io
import json
import tarfile

import pyarrow
import pytest
from PIL import Image as Pillow
from pyarrow import parquet

from retclip.data.pair_files import read_pairs


def png(colour):
    buffer = io.BytesIO()
    Pillow.new("RGB", (6, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def shard(file, members):
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def written(file, columns):
    parquet.write_table(pyarrow.table(columns), file, row_group_size=2)
    return file


def reading(file):
    return lambda: [pair.read() for pair in read_pairs(file)]


def told(pairs):
    return [(one.key, one.text) for one in pairs]


def test_tables_name_files_beside_them(tmp_path):
    (tmp_path / "a.csv").write_text('n,image,caption\n1,x/a.png,"a fox, an owl"\n\n2,b.png,\n')
    found = list(read_pairs(tmp_path / "a.csv"))
    assert told(found) == [("x/a.png", "a fox, an owl"), ("b.png", "")]
    assert found[0].uri == str(tmp_path / "x/a.png") and found[0].read is None and "row 2" in found[0].where
    (tmp_path / "a.tsv").write_text("Datei\tText\na.png\tein, Fuchs\n")
    assert told(read_pairs(tmp_path / "a.tsv", "datei")) == [("a.png", "ein, Fuchs")]


def test_parquet_holds_names_or_bytes(tmp_path):
    names = written(tmp_path / "n.parquet", {"file_name": ["a.png", "b.png"], "text": ["fox", "owl"]})
    assert told(read_pairs(names)) == [("a.png", "fox"), ("b.png", "owl")]
    pixels = [png(n) for n in range(5)]
    plain = written(tmp_path / "p.parquet", {"image": pixels, "caption": list("abcde")})
    nested = written(
        tmp_path / "h.parquet", {"image": [{"bytes": one, "path": "x.png"} for one in pixels], "text": list("abcde")}
    )
    for file in (plain, nested):
        found = list(read_pairs(file))
        assert told(found) == [(str(n), letter) for n, letter in enumerate("abcde", start=1)]
        assert [one.read() for one in found] == pixels


def test_shards_hold_samples_of_equal_stems(tmp_path):
    listed = json.dumps({"caption": ["red", "owl"]}).encode()
    members = {
        "a/1.png": png(1),
        "a/1.txt": b"fox",
        "2.json": listed,
        "2.png": png(2),
        "3.txt": b"elk",
        "3.PNG": png(3),
    }
    file = shard(tmp_path / "0.tar", {**members, "3.PNG": png(3), "3.cls": b"7"})
    found = list(read_pairs(file))
    assert told(found) == [("a/1", "fox"), ("2", "red; owl"), ("3", "elk")]
    assert [one.read() for one in found] == [png(1), png(2), png(3)] and found[0].uri == f"{file}#a/1.png"
    other = shard(tmp_path / "1.tar", {"1.png": png(1), "1.json": b'{"alt": "fox"}'})
    assert told(read_pairs(other, text="alt")) == [("1", "fox")]


@pytest.mark.parametrize("inside", [{"bytes": b"x", "path": "a.png"}, b"x"], ids=["nested", "plain"])
def test_a_listing_of_parquet_reads_no_images(tmp_path, monkeypatch, inside):
    file = written(tmp_path / "a.parquet", {"image": [inside, None, inside], "caption": ["a", None, "c"]})
    columns, batches = [], parquet.ParquetFile.iter_batches

    def listed(table, *given, **options):
        columns.extend(options["columns"])
        return batches(table, *given, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", listed)
    found = list(read_pairs(file))
    assert told(found) == [("1", "a"), ("2", ""), ("3", "c")] and set(columns) == {"caption"}
    assert found[0].read() == found[2].read() == b"x"


def test_a_struct_of_bytes_and_paths_is_told_apart(tmp_path):
    (tmp_path / "b.png").write_bytes(b"y")
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    images = [{"path": "a.png"}, {"path": "b.png"}, {"bytes": b"x", "path": "b.png"}, {"path": "b.png"}]
    file = written(tmp_path / "a.parquet", {"image": pyarrow.array(images, kind), "caption": list("abcd")})
    first, second, third, fourth = read_pairs(file)  # two row groups: of paths alone, and of both
    assert (first.key, second.key) == ("a.png", "b.png") and second.uri == str(tmp_path / "b.png")
    assert first.read is None and third.read() == b"x" and fourth.read() == b"y"


@pytest.mark.parametrize("path", ["nowhere.png", "../a.png", "http://x/a.png", "."])
def test_a_path_among_bytes_is_checked_when_it_is_read(tmp_path, refused, path):
    images = [{"bytes": b"x", "path": None}, {"bytes": None, "path": path}]
    _, found = read_pairs(written(tmp_path / "a.parquet", {"image": images, "caption": list("ab")}))
    refused(found.read, "row 2", str(tmp_path / "a.parquet"))


NULLS = {
    "plain": pyarrow.array([None], pyarrow.binary()),
    "names": pyarrow.array([None], pyarrow.string()),
    "nested": pyarrow.array([None], pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})),
    "of no type": pyarrow.array([None]),
}


@pytest.mark.parametrize("images", NULLS.values(), ids=NULLS)
def test_an_image_of_null_is_told_when_it_is_read(tmp_path, refused, images):
    (found,) = read_pairs(written(tmp_path / "a.parquet", {"image": images, "caption": ["a fox"]}))
    assert (found.key, found.text) == ("1", "a fox")
    refused(found.read, "row 1", str(tmp_path / "a.parquet"), "complete or remove the row")


def test_shards_of_macos_and_captions_of_null(tmp_path):
    members = {
        "._s.png": b"x",
        "s.png": png(1),
        "./._s.txt": b"\xff",
        "s.txt": b"fox",
        "t.png": png(2),
        "t.json": b"{}",
    }
    found = list(read_pairs(shard(tmp_path / "0.tar", {**members, "t.json": b'{"caption": null}'})))
    assert told(found) == [("s", "fox"), ("t", "")] and found[0].read() == png(1)


@pytest.mark.parametrize("row", ['"b.png"x,fox', '"b.png,fox\nc.png,owl', '"b.png,fox\n"c.png",owl'])
def test_malformed_quotes_are_told_with_the_line_where_their_row_begins(tmp_path, refused, row):
    (tmp_path / "a.csv").write_text(f'image,caption\na.png,"two\nlines"\n{row}\n')
    refused(
        lambda: list(read_pairs(tmp_path / "a.csv")), "line 4", str(tmp_path / "a.csv"), "double or remove the quotes"
    )


TABLES = {
    "empty": "",
    "no column of images": "url,caption\na.png,x\n",
    "no column of texts": "image,words\na.png,x\n",
    "a short row": "image,caption\na.png\n",
    "no image": "image,caption\n,x\n",
    "an image on the web": "image,caption\nhttp://x/a.png,x\n",
    "an image above": "image,caption\n../a.png,x\n",
    "an absolute image": "image,caption\n/a.png,x\n",
    "an open quote": 'image,caption\n"a.png,x\n',
    "not utf-8": b"image,caption\na.png,\xff\xfe\n",
}


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_a_damaged_table(tmp_path, refused, content):
    (tmp_path / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(reading(tmp_path / "a.csv"), str(tmp_path / "a.csv"))


BROKEN = pyarrow.Array.from_buffers(
    pyarrow.string(), 1, [None, *map(pyarrow.py_buffer, (b"\0\0\0\0\2\0\0\0", b"\xff\xfe"))]
)
PARQUETS = {
    "no column of images": {"url": ["a.png"], "caption": ["x"]},
    "no column of texts": {"image": ["a.png"], "words": ["x"]},
    "an image of null": {"image": [None, "a.png"], "caption": ["x", "y"]},
    "a text of a number": {"image": [b"x"], "caption": [5]},
    "names of no unicode": {"image": BROKEN, "caption": ["x"]},
    "an image of numbers": {"image": [[1, 2]], "caption": ["x"]},
    "a struct of neither": {"image": [{"url": "x"}], "caption": ["x"]},
    "an image of a number": {"image": [5], "caption": ["x"]},
    "an image on the web": {"image": ["http://x/a.png"], "caption": ["x"]},
    "a struct without bytes": {"image": [{"bytes": None, "path": None}], "caption": ["x"]},
}


@pytest.mark.parametrize("columns", PARQUETS.values(), ids=PARQUETS)
def test_a_damaged_parquet_table(tmp_path, refused, columns):
    refused(reading(written(tmp_path / "a.parquet", columns)), str(tmp_path / "a.parquet"))


@pytest.mark.parametrize("content", [b"", b"hello", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_a_file_that_is_no_parquet(tmp_path, refused, content):
    (tmp_path / "a.parquet").write_bytes(content)
    refused(reading(tmp_path / "a.parquet"), str(tmp_path / "a.parquet"))


SHARDS = {
    "no text": {"1.png": b"x"},
    "no image": {"1.txt": b"x"},
    "the text of another": {"1.png": b"x", "2.txt": b"x"},
    "a text that is not utf-8": {"1.png": b"x", "1.txt": b"\xff\xfe"},
    "a JSON of words": {"1.png": b"x", "1.json": b"hello"},
    "a JSON of a list": {"1.png": b"x", "1.json": b"[]"},
    "a JSON without caption": {"1.png": b"x", "1.json": b'{"url": "x"}'},
    "a caption of a number": {"1.png": b"x", "1.json": b'{"caption": 5}'},
    "a deep JSON": {"1.png": b"x", "1.json": b"[" * 100_000},
}


@pytest.mark.parametrize("members", SHARDS.values(), ids=SHARDS)
def test_a_damaged_shard(tmp_path, refused, members):
    refused(reading(shard(tmp_path / "a.tar", members)), str(tmp_path / "a.tar"))


@pytest.mark.parametrize("content", [b"", b"hello" * 200])
def test_a_file_that_is_no_tar(tmp_path, refused, content):
    (tmp_path / "a.tar").write_bytes(content)
    refused(reading(tmp_path / "a.tar"), str(tmp_path / "a.tar"))


def test_a_cut_shard_and_another_kind_of_file(tmp_path, refused):
    file = shard(tmp_path / "a.tar", {"1.png": b"x" * 5000, "1.txt": b"y" * 5000})
    file.write_bytes(file.read_bytes()[:7000])
    refused(reading(file), str(file))
    (tmp_path / "a.xlsx").touch()
    refused(reading(tmp_path / "a.xlsx"), str(tmp_path / "a.xlsx"))
    refused(reading(tmp_path / "nowhere.csv"), str(tmp_path / "nowhere.csv"))


def test_a_row_group_is_read_once_for_all_its_images(tmp_path, monkeypatch):
    pixels = [png(n) for n in range(5)]
    found = list(read_pairs(written(tmp_path / "a.parquet", {"image": pixels, "caption": list("abcde")})))
    groups, read = [], parquet.ParquetFile.read_row_group

    def counted(table, group, **options):
        groups.append(group)
        return read(table, group, **options)

    monkeypatch.setattr(parquet.ParquetFile, "read_row_group", counted)
    assert [one.read() for one in found for _ in range(2)] == [one for one in pixels for _ in range(2)]
    assert groups == [0, 1, 2]


OTHERS = {
    "fewer rows": {"image": [b"x"], "caption": ["a"]},
    "no images": {"image": pyarrow.array([None] * 3, pyarrow.binary()), "caption": list("abc")},
    "names": {"image": ["a.png"] * 3, "caption": list("abc")},
    "another column": {"photo": [b"x"] * 3, "caption": list("abc")},
}


@pytest.mark.parametrize("columns", OTHERS.values(), ids=OTHERS)
def test_a_file_that_changes_while_it_is_read(tmp_path, refused, columns):
    last = list(read_pairs(written(tmp_path / "a.parquet", {"image": [png(1)] * 3, "caption": list("abc")})))[-1]
    assert last.read() == png(1)
    written(tmp_path / "a.parquet", columns)
    refused(last.read, "row 3", str(tmp_path / "a.parquet"), "do not change the file")


@pytest.mark.parametrize("content", [None, b"", b"hello"])
def test_a_file_that_goes_while_it_is_read(tmp_path, refused, content):
    (pair,) = read_pairs(written(tmp_path / "a.parquet", {"image": [png(1)], "caption": ["a"]}))
    (tmp_path / "a.parquet").unlink()
    if content is not None:
        (tmp_path / "a.parquet").write_bytes(content)
    refused(pair.read, "row 1", str(tmp_path / "a.parquet"), "do not change the file")
