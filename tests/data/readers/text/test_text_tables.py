"""Tables row by row: separators, line breaks in cells, encodings, and rows that cost themselves alone."""

import os

import pytest

from retclip import limits
from retclip.data.readers.text.text_tables import csv_rows, delimiter_of, table_rows
from retclip.errors import DataError


def rows_of(folder, content, name="a.csv"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(table_rows(folder / name))


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [("file,label", ","), ("image;caption", ";"), ("a\tb", "\t"), ("a|b|c", "|"), ("one", ","), ("", ","),
     ("a,b;c,d", ",")],
)  # fmt: skip
def test_the_head_shows_what_parts_cells(head, delimiter):
    assert delimiter_of(head) == delimiter


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_breaks_in_quotes_stay_whatever_the_line_ends(tmp_path, end):
    text = end.join(["file;label", f'a.png;"fox{end}red"', "", 'b.png; "x; ""y"""'])
    found = rows_of(tmp_path, text)
    assert [number for number, _ in found] == [1, 2, 3, 4]
    assert [row for _, row in found] == [["file", "label"], ["a.png", f"fox{end}red"], [], ["b.png", 'x; "y"']]


def test_letters_that_other_programs_take_for_line_ends_stay_in_their_cells(tmp_path):
    assert rows_of(tmp_path, "file,label\na.png,x\u2028y\x0bz\x85\n")[1] == (2, ["a.png", "x\u2028y\x0bz\x85"])


@pytest.mark.parametrize("said", ["sep=;\n", "sep=;\r\n", '"sep=;"\r', "\ufeffsep=;\n"])
def test_a_line_above_the_head_may_say_what_parts_cells(tmp_path, said):
    found = rows_of(tmp_path, said + 'file;a,b,label\na.png;1;fox\n"b"x;2;owl\n')
    assert found[:2] == [(1, ["file", "a,b,label"]), (2, ["a.png", "1", "fox"])]
    assert found[2][0] == 3 and "line 4" in found[2][1].expected
    assert rows_of(tmp_path, "sep=\t\nfile\tlabel\n", "b.tsv") == [(1, ["file", "label"])]


def test_empty_lines_above_the_head_are_counted_and_nothing_else(tmp_path):
    assert rows_of(tmp_path, "\n \r\nfile,label\na.png,fox\n") == [(3, ["file", "label"]), (4, ["a.png", "fox"])]
    bad = rows_of(tmp_path, '\nsep=;\nfile;label\n"a"x;fox\n')[1]
    assert bad[0] == 3 and "line 4" in bad[1].expected
    assert rows_of(tmp_path, "\n\n") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_spreadsheets(tmp_path, encoding):
    assert rows_of(tmp_path, "file\tlabel\na.png\tfüchse\n".encode(encoding))[1] == (2, ["a.png", "füchse"])


def test_a_row_that_is_no_text_costs_that_row(tmp_path):
    found = rows_of(tmp_path, b"file,label\na.png,f\xfcchse\nb.png,owl\n")
    assert found[2] == (3, ["b.png", "owl"])
    assert isinstance(found[1][1], DataError) and "line 2" in found[1][1].expected


@pytest.mark.parametrize(
    ("lines", "good"),
    [
        (['"b,fox', "c,owl", "d,elk"], ["c", "d"]),
        (['"b"x,fox', "c,owl", '"d"y,elk', "e,e"], ["c", "e"]),
        (['"b,fox', '"c",owl', "d,elk"], ["c", "d"]),
        (['"b,fox', '"c,owl', "d,elk"], ["d"]),
        (["b,fox", '"'], ["b"]),
    ],
)
def test_malformed_quotes_cost_their_row(tmp_path, lines, good):
    rows = list(csv_rows([f"{line}\n" for line in ["a,label", *lines]], ",", tmp_path / "a.csv"))
    assert [row[0] for row in rows[1:] if not isinstance(row, DataError)] == good
    bad = [row for row in rows if isinstance(row, DataError)]
    assert len(bad) == len(lines) - len(good) and all(str(tmp_path / "a.csv") in error.expected for error in bad)


def test_a_quote_that_is_never_closed_does_not_read_a_large_table_over_and_over(tmp_path):
    lines = ['"open\n', *(f"{number},x\n" for number in range(40_000))]
    read = []

    def counted():
        for line in lines:
            read.append(line)
            yield line

    rows = csv_rows(counted(), ",", tmp_path / "a.csv")
    assert isinstance(next(rows), DataError)
    assert len(read) < 30_000  # the longest cell that the csv module takes
    assert next(rows) == ["0", "x"]


def test_a_table_that_cannot_be_read(tmp_path, refused):
    for path in (tmp_path / "nowhere.csv", tmp_path):
        refused(lambda path=path: list(table_rows(path)), str(path))
    assert rows_of(tmp_path, "") == []


def test_a_row_that_is_too_long_costs_that_row(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_current", limits.Limits(text_bytes=100))
    long, lines = "b.png," + "x" * 1000, 'c.png,"' + "y\n" * 60 + '"'
    found = rows_of(tmp_path, f"file,label\na.png,fox\n{long}\nd.png,owl\n{lines}\ne.png,elk\n")
    good = [row[0] for _, row in found if not isinstance(row, DataError) and len(row) == 2]
    assert [one for one in good if one.endswith(".png")] == ["a.png", "d.png", "e.png"]
    bad = [row for _, row in found if isinstance(row, DataError)]
    assert all("more than 100 bytes in a row (limits.text_kib)" in error.got for error in bad[:2])


def test_a_pipe_keeps_nobody_waiting(tmp_path, refused):
    os.mkfifo(tmp_path / "a.csv")
    refused(lambda: list(table_rows(tmp_path / "a.csv")), "a.csv", "pipe")
