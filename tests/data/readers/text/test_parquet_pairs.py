"""Pairs in Parquet files: names or bytes of images, read once, and only when they are needed; and what is refused."""

import pyarrow
import pytest
from pyarrow import parquet

from retclip import limits
from retclip.data.images import decode
from retclip.data.readers.text.pair_files import read_pairs
from retclip.data.readers.text.pairs import BadPair
from retclip.errors import DataError


def written(file, columns):
    parquet.write_table(pyarrow.table(columns), file, row_group_size=2)
    return file


def test_parquet_holds_names_or_bytes(tmp_path, png, told):
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


@pytest.mark.parametrize("inside", [{"bytes": b"x", "path": "a.png"}, b"x"], ids=["nested", "plain"])
def test_a_listing_of_parquet_reads_no_images(tmp_path, monkeypatch, inside, told):
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
def test_an_image_of_null_is_told_when_it_is_read(tmp_path, refused, images, told):
    (found,) = read_pairs(written(tmp_path / "a.parquet", {"image": images, "caption": ["a fox"]}))
    assert told([found]) == [("1", "a fox")]
    refused(found.read, "row 1", str(tmp_path / "a.parquet"), "complete or remove the row")


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
def test_a_damaged_parquet_table(tmp_path, refused, columns, reading):
    refused(reading(written(tmp_path / "a.parquet", columns)), str(tmp_path / "a.parquet"))


@pytest.mark.parametrize("content", [b"", b"hello", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_a_file_that_is_no_parquet(tmp_path, refused, content, reading):
    (tmp_path / "a.parquet").write_bytes(content)
    refused(reading(tmp_path / "a.parquet"), str(tmp_path / "a.parquet"))


def test_a_row_group_is_read_once_for_all_its_images(tmp_path, monkeypatch, png):
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
def test_a_file_that_changes_while_it_is_read(tmp_path, refused, columns, png):
    last = list(read_pairs(written(tmp_path / "a.parquet", {"image": [png(1)] * 3, "caption": list("abc")})))[-1]
    assert last.read() == png(1)
    written(tmp_path / "a.parquet", columns)
    refused(last.read, "row 3", str(tmp_path / "a.parquet"), "do not change the file")


@pytest.mark.parametrize("content", [None, b"", b"hello"])
def test_a_file_that_goes_while_it_is_read(tmp_path, refused, content, png):
    (pair,) = read_pairs(written(tmp_path / "a.parquet", {"image": [png(1)], "caption": ["a"]}))
    (tmp_path / "a.parquet").unlink()
    if content is not None:
        (tmp_path / "a.parquet").write_bytes(content)
    refused(pair.read, "row 1", str(tmp_path / "a.parquet"), "do not change the file")


def test_a_list_of_captions_is_several_texts_and_a_null_among_them_none(tmp_path, told):
    captions = [["a fox", "red"], ["an owl", None], [], None]
    file = written(tmp_path / "a.parquet", {"image": [b"x"] * 4, "captions": captions})
    assert told(read_pairs(file)) == [("1", "a fox", "red"), ("2", "an owl"), ("3",), ("4", "")]


def test_a_bad_row_costs_that_row(tmp_path, told):
    file = written(tmp_path / "a.parquet", {"image": ["a.png", "../b.png", "c.png"], "caption": list("abc")})
    first, second, third = read_pairs(file)
    assert told([first, third]) == [("a.png", "a"), ("c.png", "c")]
    assert isinstance(second, BadPair) and "row 2" in second.where and "inside the data set" in str(second.error)


def shared(folder, content, rows):
    """A file of kilobytes in which every row has the same image and the same text, each stored once."""
    places = pyarrow.array([0] * rows, pyarrow.int32())
    image = pyarrow.DictionaryArray.from_arrays(places, pyarrow.array([content], pyarrow.binary()))
    text = pyarrow.DictionaryArray.from_arrays(places, pyarrow.array(["o" * len(content)]))
    file = folder / "a.parquet"
    table = pyarrow.table({"image": pyarrow.StructArray.from_arrays([image], ["bytes"]), "caption": text})
    parquet.write_table(table, file, store_schema=False, dictionary_pagesize_limit=1 << 30)
    return file


def test_a_value_that_many_rows_share_is_kept_once(tmp_path):
    size, rows = 1 << 19, 4096  # 2 GiB, were each row to have its own
    file = shared(tmp_path, bytes(size), rows)
    assert file.stat().st_size < 4 * size
    before = pyarrow.total_allocated_bytes()
    pairs = read_pairs(file)
    first = next(pairs)
    assert len(first.texts[0]) == len(first.read()) == size
    assert pyarrow.total_allocated_bytes() - before < 64 << 20
    assert sum(1 for _ in pairs) == rows - 1


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_row_group_that_unpacks_to_more_than_is_allowed_is_not_read(tmp_path, monkeypatch, refused, codec):
    file = tmp_path / "a.parquet"
    table = pyarrow.table({"image": [b"x"] * 9, "caption": ["o" * 200] * 9})
    parquet.write_table(table, file, compression=codec, use_dictionary=False)
    monkeypatch.setattr(limits, "_current", limits.Limits(unpacked_bytes=1000))
    refused(lambda: list(read_pairs(file)), "at most 1000 bytes of caption in row group 0", "limits.unpacked_mib")


def test_a_long_text_and_a_large_image_cost_their_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_current", limits.Limits(text_bytes=100, file_bytes=1000))
    table = {"image": [b"x", b"y" * 1001, b"z"], "captions": [["o" * 60, "p" * 60], ["owl"], ["elk", "deer"]]}
    long, large, good = read_pairs(written(tmp_path / "a.parquet", table))
    assert "at most 100 bytes of text in row 1" in str(long.error) and good.texts == ("elk", "deer")
    with pytest.raises(DataError, match=r"at most 1000 bytes of an image file: here; got .*limits\.file_mib"):
        decode(large.read(), "here")


def test_lists_of_lists_are_no_texts(tmp_path, refused):
    file = written(tmp_path / "a.parquet", {"image": [b"x"], "caption": [[["a"]]]})
    refused(lambda: list(read_pairs(file)), "texts as caption", "text_column")
