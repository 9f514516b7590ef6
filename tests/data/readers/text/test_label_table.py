"""Photos and a table of their labels; and what is refused."""

import pytest

from retclip.data.readers.text.label_table import LabelTable, LabelTableSettings
from retclip.errors import DataError


def table(root, text, name="labels.csv", **settings):
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return LabelTable(LabelTableSettings(path=str(root), **settings))


@pytest.fixture
def refused(refused):
    """Open a source and load all of it."""
    return lambda opened, *words: refused(lambda: [one.load() for one in opened().images()], *words)


def test_a_table_names_photos_and_their_classes(tmp_path, photo):
    photo(tmp_path, "a.png", "images/b.png", "images/c.png")
    source = table(tmp_path, "file,label\na.png,fox\nb.png, Owl ; fox\n\nc.png,owl\na.png,owl|elk\n")
    assert [one.name for one in source.classes()] == ["fox", "Owl", "elk"]
    found = [(one.external_id, one.class_names) for one in source.images()]
    assert found == [("a.png", ("fox", "Owl", "elk")), ("b.png", ("fox", "Owl")), ("c.png", ("Owl",))]
    assert all(one.load().size == (4, 6) for one in source.images())


def test_tables_with_tabs_other_columns_other_names_and_splits(tmp_path, photo):
    photo(tmp_path, "a.png")
    assert (
        table(tmp_path, "Image\tTags\na.png\tred, fox\n", "labels_val.tsv", split="val").classes()[0].name == "red, fox"
    )
    named = table(
        tmp_path, "n,photo,what\n1,a.png,fox\n", "x.csv", table="x.csv", file_column="photo", label_column="What"
    )
    assert [one.class_names for one in named.images()] == [("fox",)]


TABLES = {
    "no table": None,
    "an empty table": "",
    "only a head": "file,label\n",
    "not utf-8": b"file,label\n\xff\xfe,fox\n",
    "no column of files": "photo,label\na.png,fox\n",
    "no column of labels": "file,animal\na.png,fox\n",
    "a short row": "file,label\na.png\n",
    "no file": "file,label\n,fox\n",
    "no label": "file,label\na.png,\n",
    "an empty label among others": "file,label\na.png,fox;;owl\n",
    "a label of a separator": "file,label\na.png,|\n",
    "a file above the folder": "file,label\n../a.png,fox\n",
    "a file at an absolute path": "file,label\n/etc/passwd,fox\n",
    "a file with a null character": "file,label\na\0.png,fox\n",
    "a file that is not there": "file,label\nb.png,fox\n",
    "a folder": "file,label\n.,fox\n",
    "a file that is no photo": "file,label\nlabels.csv,fox\n",
    "an open quote": 'file,label\n"a.png,fox\n',
    "text behind a quote": 'file,label\n"a.png"x,fox\n',
    "a JSON": '{"file": "a.png"}',
    "a photo": b"\x89PNG\r\n\x1a\n\0\0",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_a_damaged_table_is_refused(tmp_path, photo, refused, text):
    photo(tmp_path, "a.png")
    if text is None:
        refused(lambda: LabelTable(LabelTableSettings(path=str(tmp_path))), "labels.csv")
    else:
        refused(lambda: table(tmp_path, text), str(tmp_path))


def test_a_bad_row_costs_that_row_and_is_named_by_its_number(tmp_path, photo):
    photo(tmp_path, "a.png")
    rows = ["a.png,fox", "a.png,", "", "../b.png,fox", "a.png", "c.png,elk,owl", ",fox", "a.png,owl|elk"]
    source = table(tmp_path, "\n".join(["file,label", *rows]))
    assert [(one.external_id, one.class_names) for one in source.images()] == [("a.png", ("fox", "owl", "elk"))]
    told = source.passed_over()
    assert [part.record for part in told.bad] == [f"row {n} of {tmp_path / 'labels.csv'}" for n in (3, 5, 6, 7, 8)]
    assert told.counts == {"rows that cannot be read": 5}
    with pytest.raises(DataError, match="wolf"):
        table(tmp_path, "file,label\na.png,fox\n", only="wolf")


@pytest.mark.parametrize("row", ['"b.png"x,fox', '"b.png,fox\nc.png,owl', '"b.png,fox\n"c.png",owl'])
def test_malformed_quotes_are_told_with_the_line_where_their_row_begins(tmp_path, row):
    text = f'file,label\n"a.png","red\nfox"\n{row}\n'
    source = table(tmp_path, text)
    (part,) = source.passed_over().bad
    assert "line 4" in part.reason and "labels.csv" in part.reason and "double or remove the quotes" in part.reason
    assert source.classes()[0].name == "red fox"


def test_semicolons_names_of_windows_and_of_macos(tmp_path, photo):
    photo(tmp_path, "images/sub/e\u0301.png")
    source = table(tmp_path, "file;label\nsub\\\u00e9.png;fox | owl\n")
    (record,) = source.images()
    assert record.load().size == (4, 6) and record.class_names == ("fox", "owl")


def test_a_photo_is_not_another_one_of_its_name(tmp_path, photo):
    photo(tmp_path, "0001.png")
    (record,) = table(tmp_path, "file,label\nrear/0001.png,fox\n").images()
    with pytest.raises(DataError, match=r"rear/0001\.png"):
        record.load()


def test_of_two_tables_none_is_taken_in_silence(tmp_path, photo):
    photo(tmp_path, "a.png")
    (tmp_path / "labels.tsv").write_text("file\tlabel\na.png\towl\n")
    with pytest.raises(DataError, match=r"labels\.csv and .*labels\.tsv; remove one, or name it: table=FILE"):
        table(tmp_path, "file,label\na.png,fox\n")
    named = table(tmp_path, "file,label\na.png,fox\n", table="labels.tsv")
    assert next(named.images()).class_names == ("owl",)


def test_columns_that_are_not_read_are_counted_and_names_go_before_numbers(tmp_path, photo):
    photo(tmp_path, "a.png")
    source = table(tmp_path, "idx,file,class,class_name,confidence\n0,a.png,3,fox,0\n")
    assert [one.name for one in source.classes()] == ["fox"]
    assert source.passed_over().counts == {"columns that are not read (idx, class, confidence)": 3}
