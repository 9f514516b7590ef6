"""Whether a class counts: asked where somebody is there, said where nobody is, and neither where it is known."""

import io
import json

import pytest

from retclip.cli import class_kind
from retclip.workflows.classes.addition import Addition


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def add(run, tmp_path, photos):
    """Add a class from crops, where nobody can be asked."""
    (photos / "bad.png").unlink()
    assert run("init", tmp_path / "s").code == 0

    def call(name, *arguments):
        ran = run("class", "add", name, photos, "--store", tmp_path / "s", "--crops", *arguments)
        assert ran.code == 0, ran.err
        listed = json.loads(run("class", "list", "--store", tmp_path / "s", "--json").out)
        return next(one["is_thing"] for one in listed if one["name"] == name), ran.err

    return call


def asked(monkeypatch, typed):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    return class_kind._asked("cat")


@pytest.mark.parametrize(
    ("typed", "kind", "times"),
    [("thing\n", True, 1), ("\n", True, 1), (" Stuff \n", False, 1), ("s\n", False, 1), ("what\n?\nstuff\n", False, 3),
     ("", None, 1), ("what", None, 2)],
)  # fmt: skip
def test_the_question_is_asked_until_it_is_answered(monkeypatch, capsys, typed, kind, times):
    assert asked(monkeypatch, typed) is kind
    assert capsys.readouterr().err.count("is 'cat' a thing") == times


def test_where_nobody_can_be_asked_it_is_said(add):
    kind, told = add("cat")
    assert kind is None and "nobody says whether 'cat' is a thing" in told and "--thing or --stuff" in told


@pytest.mark.parametrize(("flag", "kind"), [("--thing", True), ("--stuff", False)])
def test_a_kind_that_is_given_is_neither_asked_nor_said(add, flag, kind):
    stored, told = add("cat", flag)
    assert stored is kind and "nobody says" not in told
    assert "nobody says" not in add("cat")[1], "the store knows it now"


@pytest.mark.parametrize(
    ("first", "then", "stays"), [("--thing", "--stuff", "a thing"), ("--stuff", "--thing", "stuff")]
)
def test_a_kind_other_than_the_store_s_is_said_to_change_nothing(add, first, then, stays):
    kind, told = add("cat", first)
    assert "it stays" not in told
    again, told = add("cat", then)
    assert again is kind and f"the store knows 'cat' as {stays}, and so it stays" in told


def test_an_annotated_source_that_says_it_is_believed(run, tmp_path):
    address = f"reference.scenes:{tmp_path / 'scenes'}?split=train&count=2&width=96&height=64"
    assert run("init", tmp_path / "s").code == 0
    ran = run("class", "add", "sky", address, "--store", tmp_path / "s")
    assert ran.code == 0 and "nobody says" not in ran.err


def test_on_a_terminal_it_is_asked(monkeypatch):
    answers = Terminal("stuff\n")
    monkeypatch.setattr("sys.stdin", answers)
    monkeypatch.setattr("sys.stderr", Terminal())

    fog = Addition("fog", [])

    class Store:
        classes = ()

    assert class_kind.kind_of(Store(), fog, stdin_is_list=False) is False
    monkeypatch.setattr("sys.stdin", Terminal("stuff\n"))
    assert class_kind.kind_of(Store(), fog, stdin_is_list=True) is None, "stdin brings photos"
