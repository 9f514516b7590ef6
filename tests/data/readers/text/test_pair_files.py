"""Images and texts in CSV and TSV, and which reader takes which file; what is refused."""

import os

import pytest

from retclip.data.readers.text.pair_files import read_pairs
from retclip.data.readers.text.pairs import BadPair
from retclip.errors import DataError


def refused_or_bad(file):
    """What a damaged table is told to be: refused whole, or its records one by one."""
    try:
        return " ".join(str(one.error) for one in read_pairs(file) if isinstance(one, BadPair))
    except DataError as error:
        return str(error)


def test_tables_name_files_beside_them(tmp_path, told):
    (tmp_path / "a.csv").write_text('n,image,caption\n1,x/a.png,"a fox, an owl"\n\n2,b.png,\n')
    found = list(read_pairs(tmp_path / "a.csv"))
    assert told(found) == [("x/a.png", "a fox, an owl"), ("b.png", "")]
    assert found[0].uri == str(tmp_path / "x/a.png") and found[0].read is None and "row 2" in found[0].where
    (tmp_path / "a.tsv").write_text("Datei\tText\na.png\tein, Fuchs\n")
    assert told(read_pairs(tmp_path / "a.tsv", "datei")) == [("a.png", "ein, Fuchs")]


def test_other_separators_are_understood(tmp_path, told):
    for number, text in enumerate(
        ("image;caption\na.png;a fox, an owl\n", "image_name| comment\na.png| a fox, an owl\n")
    ):
        (tmp_path / f"{number}.csv").write_text(text)
        assert told(read_pairs(tmp_path / f"{number}.csv")) == [("a.png", "a fox, an owl")]


def test_names_of_windows_and_of_macos(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "e\u0301.png").write_bytes(b"x")  # as macOS writes it
    (tmp_path / "a.csv").write_text("image,caption\nx\\\u00e9.png,fox\n")
    (found,) = read_pairs(tmp_path / "a.csv")
    assert (found.key, found.uri) == ("x/\u00e9.png", str(tmp_path / "x" / "e\u0301.png"))


def test_commas_that_nobody_quoted_belong_to_a_last_text_and_are_told_elsewhere(tmp_path, told):
    (tmp_path / "a.csv").write_text("image,caption\na.png,a fox, an owl,\n")
    assert told(read_pairs(tmp_path / "a.csv")) == [("a.png", "a fox, an owl, ")]
    (tmp_path / "b.csv").write_text("caption,image\na fox, an owl,a.png\nan elk,b.png,\n")
    first, second = read_pairs(tmp_path / "b.csv")
    assert "2 cells in row 2" in first.error.expected and told([second]) == [("b.png", "an elk")]


@pytest.mark.parametrize("row", ['"b.png"x,fox', '"b.png,fox\nc.png,owl', '"b.png,fox\n"c.png",owl'])
def test_malformed_quotes_are_told_with_the_line_where_their_row_begins_and_cost_that_row(tmp_path, row):
    (tmp_path / "a.csv").write_text(f'image,caption\na.png,"two\nlines"\n{row}\nz.png,elk\n')
    good = [one for one in read_pairs(tmp_path / "a.csv") if not isinstance(one, BadPair)]
    (bad,) = (one for one in read_pairs(tmp_path / "a.csv") if isinstance(one, BadPair))
    assert "line 4" in bad.error.expected and bad.error.todo == "double or remove the quotes"
    assert [one.key for one in good] == ["a.png", *(["c.png"] if "c.png" in row else []), "z.png"]


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
def test_a_damaged_table(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert str(tmp_path / "a.csv") in refused_or_bad(tmp_path / "a.csv")


def test_another_kind_of_file_and_none(tmp_path, refused):
    (tmp_path / "a.xlsx").touch()
    for name in ("a.xlsx", "nowhere.csv"):
        refused(lambda name=name: list(read_pairs(tmp_path / name)), str(tmp_path / name))


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "tar"])
def test_a_pipe_keeps_nobody_waiting(tmp_path, refused, ending):
    os.mkfifo(tmp_path / f"a.{ending}")
    refused(lambda: list(read_pairs(tmp_path / f"a.{ending}")), "pipe")
