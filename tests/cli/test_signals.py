"""SIGTERM, SIGHUP and Ctrl-C end a command alike: what is done is kept, nothing stays leased, the run is closed."""

import os
import shutil
import signal
import sys
from types import SimpleNamespace

import psutil
import pytest
from sqlalchemy import text

import retclip
from retclip import __main__ as entry
from retclip.store.sql.engine import transaction
from retclip.workflows.building.build_loop import BuildLoop

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
IMAGES = 8


@pytest.fixture
def source(tmp_path):
    return f"reference.scenes:{tmp_path / 'scenes'}?count={IMAGES}&width=96&height=64"


@pytest.fixture
def signalled(monkeypatch):
    """Send this process a signal when so many outcomes have come back."""

    def after(outcomes, number):
        original, seen = BuildLoop._take, []

        def take(self, task, outcome):
            original(self, task, outcome)
            seen.append(outcome)
            if len(seen) == outcomes:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(BuildLoop, "_take", take)

    return after


def rows(store, query):
    settings = {"store": {"index": "resident"}}
    with retclip.open(store, settings=settings) as memory, transaction(memory.store.engine) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.parametrize("number", CODES)
def test_a_build_keeps_what_came_back_and_gives_back_the_rest(run, source, signalled, monkeypatch, tmp_path, number):
    build = ("build", source, "--store", tmp_path / "store", "--set", "build.commit_images=4")
    signalled(3, number)
    ran = run(*build)
    assert (ran.code, ran.out) == (CODES[number], "")
    assert "Run the same command again to go on." in ran.err
    assert rows(tmp_path / "store", "SELECT state, count(*) FROM unit GROUP BY state") == [("finished", 3)]
    assert rows(tmp_path / "store", "SELECT state FROM run") == [("interrupted",)]
    monkeypatch.undo()
    ran = run(*build)
    assert ran.code == 0 and "3 images done before" in ran.err


def test_a_build_by_workers_who_hear_the_signal_too(run, source, signalled, tmp_path):
    """What stops a service or closes a terminal signals every process of it."""
    signalled(2, signal.SIGTERM)
    original = os.kill

    def kill_all(process, number):
        for child in psutil.Process().children(recursive=True):
            original(child.pid, number)
        original(process, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "kill", kill_all)
        ran = run("build", source, "--store", tmp_path / "store", "--workers", 2, "--set", "build.commit_images=1")
    assert ran.code == 143, ran.err
    (finished,) = rows(tmp_path / "store", "SELECT state, count(*) FROM unit GROUP BY state")
    assert finished[0] == "finished" and finished[1] >= 2
    assert rows(tmp_path / "store", "SELECT state FROM run") == [("interrupted",)]


def stopping(monkeypatch, place):
    def stop(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(place, stop)


@pytest.mark.parametrize(
    ("place", "command", "told"),
    [
        ("retclip.workflows.segment.segment_image.segment_images", ("segment", "PHOTO", "--out", "OUT"), "lies in"),
        ("retclip.workflows.evaluation.evaluate.describe_images", ("evaluate", "SOURCE"), "nothing was written"),
        ("retclip.workflows.building.mask_vectors.pooled", ("store", "add-space", "--backbone",
            "reference.colour_texture", "--set", "plugin.reference.colour_texture.grid=20"),
            "Run the same command again to go on."),
        ("retclip.workflows.building.unit_work.image_segments", ("class", "add", "sky", "SOURCE"), "again to go on."),
        ("retclip.workflows.doctor.doctor.check_store", ("doctor",), ""),
    ],
)  # fmt: skip
def test_every_long_command_ends_so(run, built, tmp_path, monkeypatch, place, command, told):
    store = shutil.copytree(built.store, tmp_path / "store")
    stopping(monkeypatch, place)
    places = {"PHOTO": next(built.photos.glob("*.png")), "OUT": tmp_path / "out", "SOURCE": built.source}
    ran = run(*(places.get(one, one) for one in command), "--store", store)
    assert ran.code == 143, ran.err
    assert told in ran.err
    assert rows(store, "SELECT count(*) FROM unit WHERE state = 'leased'") == [(0,)]
    assert rows(store, "SELECT count(*) FROM run WHERE state = 'running'") == [(0,)]


def test_ctrl_c_while_the_program_is_imported_tells_no_traceback(monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "retclip.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=pressed), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == CODES[signal.SIGINT]
