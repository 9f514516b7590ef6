"""Progress: on stderr alone, a bar for people and few plain lines elsewhere; the clock is ours."""

import io
import sys

import pytest

from retclip.cli import progress
from retclip.cli.progress import EVERY, ProgressLine
from retclip.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then_and_at_the_end(clock, capsys):
    with ProgressLine() as line:
        line(Progress("build", 0, 4))
        clock.now += EVERY / 2
        line(Progress("build", 1, 4))
        assert capsys.readouterr().err == ""
        clock.now += EVERY / 2
        line(Progress("build", 2, 4, failed=1))
        assert capsys.readouterr().err == "build 2/4  0.4/s, 1 failed, 5 s left\n"
        line(Progress("build", 3, 4))
        assert capsys.readouterr().err == ""
        line(Progress("build", 4, 4, note="8 segments"))
    out, err = capsys.readouterr()
    assert err == "build 4/4  0.8/s, 8 segments, 0 s left\n"
    assert out == ""


def test_the_rate_counts_from_when_the_work_began(clock, capsys):
    with ProgressLine() as line:
        clock.now += 20
        line(Progress("build", 2, 2))
    assert "2/2  0.1/s" in capsys.readouterr().err


def test_another_task_is_another_line_and_began_when_the_one_before_it_ended(clock, capsys):
    with ProgressLine() as line:
        clock.now += 10
        line(Progress("fill car", 5, 5))
        clock.now += 10
        line(Progress("fill sky", 5, 5))
    assert capsys.readouterr().err == "fill car 5/5  0.5/s, 0 s left\nfill sky 5/5  0.5/s, 0 s left\n"


def test_a_message_is_told_at_once_and_once(clock, capsys):
    with ProgressLine() as line:
        line(Progress("train", 0, 9, message="going on after step 2"))
        line(Progress("train", 1, 9))
    assert capsys.readouterr().err == "going on after step 2\n"


def test_what_was_no_work_does_not_make_the_rest_look_fast(clock, capsys):
    with ProgressLine() as line:
        line(Progress("build", 0, 100))
        clock.now += 10
        line(Progress("build", 60, 100, skipped=60))
        assert capsys.readouterr().err == "build 60/100  0.0/s, nothing to measure the rest by yet\n"
        clock.now += 10
        line(Progress("build", 70, 100, skipped=60))
        assert capsys.readouterr().err == "build 70/100  0.5/s, 60 s left\n"


def test_long_waits_are_told_in_hours(clock, capsys):
    with ProgressLine() as line:
        line(Progress("build", 0, 10_000))
        clock.now += 10
        line(Progress("build", 10, 10_000))
        assert capsys.readouterr().err == "build 10/10000  1.0/s, 2:46:30 left\n"


def test_nothing_done_in_no_time_is_no_division_by_zero(clock, capsys):
    with ProgressLine() as line:
        line(Progress("build", 0, 0))
    assert capsys.readouterr().err == "build 0/0  0.0/s, 0 s left\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("total", [3, 0])
def test_on_a_terminal_a_bar_is_drawn_on_stderr_and_ends_even_after_an_error(monkeypatch, capsys, total):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(KeyboardInterrupt), ProgressLine() as line:
        line(Progress("build", 1, total, failed=1, note="5 segments"))
        bar = line._bar
        raise KeyboardInterrupt
    drawn = terminal.getvalue()
    assert "build" in drawn
    assert "1 failed, 5 segments" in drawn
    assert capsys.readouterr().out == ""
    assert not bar.live.is_started


@pytest.mark.parametrize("terminal", [True, False])
def test_a_hostile_name_is_only_text(capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "200")
    with ProgressLine() as line:
        line(Progress("add [/b]\x1b]0;t\x07", 1, 1, note="[red]x[/red]\n"))
    err = capsys.readouterr().err
    assert "add [/b]\\x1b]0;t\\x07" in err and "[red]x[/red]\\n" in err
    assert "\x1b]0" not in err and "\x07" not in err
