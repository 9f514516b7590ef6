"""What is printed, where, and that nothing a file name holds can do harm in a terminal or a spreadsheet."""

import csv
import io
import json
import logging
import sys
from uuid import UUID

import pytest

from retclip.cli import output
from retclip.errors import DataError
from retclip.escaping import HarmlessFormatter
from retclip.store.records import Failure


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


HOSTILE = [
    ("[/b]x", "[/b]x"),  # markup that closes nothing ended the program
    ("[sky]", "[sky]"),  # markup that means nothing was shown as nothing
    ("[link=http://evil]click[/link]", "[link=http://evil]click[/link]"),
    (":smile:", ":smile:"),
    ("\x1b]0;title\x07\x1b[31mred", "\\x1b]0;title\\x07\\x1b[31mred"),
    ("\x9b31mred", "\\x9b31mred"),
    ("a\nretclip: expected", "a\\nretclip: expected"),
    ("a\rb\tc", "a\\rb\\tc"),
    ("\u202egnp.exe", "\\u202egnp.exe"),
    ("caf\udce9", "caf\\udce9"),
    ("می\u200cدان", "می\u200cدان"),
    ("👩\u200d🚀", "👩\u200d🚀"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
@pytest.mark.parametrize("terminal", [True, False])
def test_every_place_of_a_table_is_text_and_nothing_else(capsys, monkeypatch, terminal, text, shown):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "200")
    output.table(text, ("class", text), [(text, 3)])
    out = capsys.readouterr().out
    assert out.count(shown) == (3 if terminal else 2)
    assert text == shown or text not in out
    assert len(out.splitlines()) == (6 if terminal else 2)


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_messages_errors_and_json_are_text_too(capsys, text, shown):
    output.message(f"wrote {text}")
    output.error(DataError(text, text, text))
    output.data({"name": text})
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f"wrote {shown}", f"retclip: expected {shown}", f"         got      {shown}", f"         to do    {shown}",
    ]  # fmt: skip
    assert json.loads(out) == {"name": text}
    assert text == shown or text not in out


def test_log_records_are_one_line_each_and_harmless(capsys):
    handler = logging.StreamHandler()
    handler.setFormatter(HarmlessFormatter("%(name)s: %(message)s"))
    handler.handle(logging.LogRecord("retclip.data", logging.WARNING, "", 0, "%s", ("a\x1b[2J\nb",), None))
    assert capsys.readouterr().err == "retclip.data: a\\x1b[2J\\nb\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_letters_that_a_stream_cannot_write_are_escaped(monkeypatch, terminal):
    stream = io.TextIOWrapper(io.BytesIO(), "latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    output.table("photos", ("uri",), [("写é",)])
    stream.flush()
    assert "\\u5199é" in stream.buffer.getvalue().decode("latin-1")


def test_what_is_no_number_is_null_in_json(capsys):
    output.data({"miou": float("nan"), "rows": [{"pq": (1.0, float("inf"))}], "none": None})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "miou": None, "rows": [{"pq": [1.0, None]}], "none": None,
    }  # fmt: skip


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


def test_a_list_of_somebody_else_is_neither_written_over_nor_removed(tmp_path):
    path = tmp_path / "failures.csv"
    path.write_text("photo,what the lab said\n")
    assert output.write_failures(path, [Failure("a", "b", "c")]) == tmp_path / "failures_2.csv"
    assert read(tmp_path / "failures_2.csv")[0]["reason"] == "c"
    output.write_failures(path, [])
    assert [one.name for one in tmp_path.iterdir()] == ["failures.csv"]
    assert path.read_text() == "photo,what the lab said\n"
