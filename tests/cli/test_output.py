"""What is printed, where, and that nothing a file name holds can do harm in a terminal or a spreadsheet."""

import csv
import json
import sys
from uuid import UUID

import pytest

from retclip.cli import output
from retclip.errors import DataError
from retclip.store.ledger import Failure


def test_data_is_json_on_stdout_with_letters_of_any_script(capsys):
    output.data({"name": "写真", "id": UUID(int=1), "none": None})
    out, err = capsys.readouterr()
    assert "写真" in out
    assert json.loads(out) == {"name": "写真", "id": str(UUID(int=1)), "none": None}
    assert err == ""


def test_a_file_name_that_is_no_unicode_is_printed_and_read_back(capsys):
    output.data({"uri": "caf\udce9.jpg"})
    assert json.loads(capsys.readouterr().out) == {"uri": "caf\udce9.jpg"}
    output.table("photos", ("uri",), [("caf\udce9.jpg",)])
    assert capsys.readouterr().out == "uri\ncaf\\udce9.jpg\n"


def test_messages_and_errors_go_to_stderr(capsys):
    output.message("hello")
    output.error(DataError("a photo", "a fish", "copy it again"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == ("hello\nretclip: expected a photo\n         got      a fish\n         to do    copy it again\n")


def test_a_table_is_tab_separated_where_nobody_looks(capsys):
    output.table("classes", ("class", "kind"), iter([("sky", None), ("car", 3)]))
    assert capsys.readouterr().out == "class\tkind\nsky\t\ncar\t3\n"


def test_a_table_is_drawn_for_people(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.table("the classes", ("class", "kind"), [("sky", None)])
    out = capsys.readouterr().out
    assert "the classes" in out
    assert "sky" in out
    assert "\t" not in out


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_failures_are_listed_a_line_each_with_their_reason(tmp_path):
    path = tmp_path / "deep" / "failures.csv"
    found = [Failure("a.png", "/x/a.png", 'cut off, "half"', 2), Failure("b.png", "/x/b.png", "empty")]
    output.write_failures(path, found)
    assert [(one["external_id"], one["uri"], one["reason"], one["attempts"]) for one in read(path)] == [
        ("a.png", "/x/a.png", 'cut off, "half"', "2"),
        ("b.png", "/x/b.png", "empty", "1"),
    ]


def test_an_old_list_goes_away_when_nothing_failed(tmp_path):
    path = tmp_path / "failures.csv"
    output.write_failures(path, [Failure("a", "b", "c")])
    output.write_failures(path, [])
    assert not path.exists()
    output.write_failures(path, [])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("a\nb", "a\\nb"),
        ("\x1b[2Jx", "\\x1b[2Jx"),
        ("\t=1", "\\t=1"),
        ("\u202egnp", "\\u202egnp"),
        ("caf\udce9", "caf\\udce9"),
        ("写真.png", "写真.png"),
    ],
)
def test_a_name_is_neither_a_formula_nor_a_command_to_the_terminal(tmp_path, name, shown):
    output.write_failures(tmp_path / "f.csv", [Failure(name, name, name)])
    (row,) = read(tmp_path / "f.csv")
    assert (row["external_id"], row["uri"], row["reason"]) == (shown, shown, shown)
    assert len((tmp_path / "f.csv").read_bytes().splitlines()) == 2
