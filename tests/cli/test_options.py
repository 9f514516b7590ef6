"""Which store a command means: the one named, that of RETCLIP_STORE, the default, in that order; the same for each."""

from datetime import datetime
from pathlib import Path

import pytest
from typer.main import get_command

from retclip import cli
from retclip.cli import options, output
from retclip.errors import ConfigError
from retclip.store.records import SegmentFilter


def every_command():
    for name, command in get_command(cli.app).commands.items():
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {below}", it) for below, it in inner.items()) if inner else [(name, command)]


def test_every_store_option_knows_the_variable():
    asked = {name: one for name, command in every_command() for one in command.params if one.name == "store"}
    assert {"init", "build", "segment", "class add", "class list", "undo", "explain", "doctor", "db check"} <= set(
        asked
    )
    assert {name for name, one in asked.items() if one.envvar != "RETCLIP_STORE"} == set()


@pytest.mark.parametrize("variable", ["RETCLIP_STORE", "retclip_store"])
def test_a_store_that_is_named_goes_before_the_variable_and_that_before_the_default(
    run, tmp_path, monkeypatch, variable
):
    monkeypatch.chdir(tmp_path)
    for name in (str(options.DEFAULT_STORE), "named", "set"):
        assert run("init", name).code == 0
    shown = "classes of {}".format
    monkeypatch.setattr("retclip.cli.output.table", lambda title, *_: output.line(title))
    assert run("class", "list").out.strip() == shown(options.DEFAULT_STORE)
    monkeypatch.setenv(variable, "set")
    assert run("class", "list").out.strip() == shown("set")
    assert run("class", "list", "-s", "named").out.strip() == shown("named")
    assert run("doctor").code == 0
    monkeypatch.setenv(variable, "gone")
    assert run("class", "list").code == 5
    assert run("doctor").code == 1


def test_a_new_store_is_made_where_the_other_commands_look_for_it(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("init").code == 0
    monkeypatch.setenv("RETCLIP_STORE", "street")
    assert run("init").code == 0
    assert sorted(path.name for path in Path().iterdir()) == sorted(["street", str(options.DEFAULT_STORE)])


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, {}),
        ({"classes": ["car, road", "sky"], "datasets": ["a"]}, {"classes": ("car", "road", "sky"), "datasets": ("a",)}),
        ({"images": ["a, b.jpg"], "runs": ["1,2"]}, {"images": ("a, b.jpg",), "runs": (1, 2)}),
        ({"states": ["retired,quarantined"]}, {"states": ("retired", "quarantined")}),
        ({"states": ["all"]}, {"states": ()}),
        ({"label_sources": ["person"], "min_score": 0.5}, {"label_sources": ("person",), "min_score": 0.5}),
        (
            {"since": "2026-11-29", "until": "2026-11-29"},
            {"since": datetime(2026, 11, 29), "until": datetime(2026, 11, 29, 23, 59, 59, 999999)},
        ),
        ({"since": "2026-11-29T14:30+02:00"}, {"since": datetime(2026, 11, 29, 12, 30)}),
    ],
)
def test_the_filters_of_the_command_line_are_those_of_python(given, chosen):
    found = options.Filters(**given)
    assert found.filter() == SegmentFilter(**chosen) and found.given == bool(given)


@pytest.mark.parametrize(
    "wrong",
    [{"runs": ["one"]}, {"states": ["hidden"]}, {"since": "yesterday"}, {"until": "2026-13-01"}, {"max_score": 2}],
)
def test_a_filter_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError):
        options.Filters(**wrong).filter()
