"""Signals as a question or as an exception: the first is heard, a later one ends the process, handlers come back."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from retclip.workflows.training import stop_signal
from retclip.workflows.training.stop_signal import (
    SIGNALS,
    RaisingStopSignal,
    Stopped,
    StopSignal,
    exit_code,
    handlers_kept,
    signals_held,
)


class Ended(BaseException):
    pass


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets, and a process that says with which code it would end."""

    def end(code):
        raise Ended(code)

    now = [100.0]
    monkeypatch.setattr(stop_signal.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(stop_signal.os, "_exit", end)
    return now


def test_the_codes_are_those_of_shells():
    assert {number.name: exit_code(number) for number in SIGNALS} == {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_noted_and_a_later_one_ends_the_process(number, clock):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert stop.number == 0
        os.kill(os.getpid(), number)
        assert stop.number == number
        clock[0] += 0.4
        os.kill(os.getpid(), number)  # passed on by whoever started the program: the same one still
        clock[0] += 0.1
        with pytest.raises(Ended, match="143"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", SIGNALS)
def test_commands_are_ended_by_an_exception_that_counts_as_ctrl_c(number, clock):
    with RaisingStopSignal() as stop:
        with pytest.raises(KeyboardInterrupt) as told:
            os.kill(os.getpid(), number)
        assert isinstance(told.value, Stopped) and told.value.number == stop.number == number
        clock[0] += 1
        with pytest.raises(Ended, match=str(128 + number)):
            os.kill(os.getpid(), number)


def test_a_question_within_a_command_has_the_signal_for_itself():
    with RaisingStopSignal() as outer:
        with StopSignal() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
        assert (inner.number, outer.number) == (signal.SIGTERM, 0)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGHUP)


def test_what_the_process_was_told_to_ignore_stays_ignored():
    """As `nohup` starts a program."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with RaisingStopSignal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.number == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_library_that_takes_the_signals_gives_them_back():
    with RaisingStopSignal() as stop:
        with handlers_kept():
            signal.signal(signal.SIGTERM, lambda *_: None)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM


@pytest.mark.parametrize("threads", [0, 1])
def test_signals_that_are_held_come_afterwards_and_never_to_what_was_started_meanwhile(threads):
    """Also where a thread that began before does not hold them back, as those of numeric libraries do not."""
    script, end = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('alive')", threading.Event()
    others = [threading.Thread(target=end.wait) for _ in range(threads)]
    for thread in others:
        thread.start()
    with RaisingStopSignal() as stop:
        with pytest.raises(Stopped), signals_held():
            os.kill(os.getpid(), signal.SIGTERM)
            child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
            assert stop.number == 0
        assert stop.number == signal.SIGTERM
    assert child.stdout == "alive\n"
    end.set()
    for thread in others:
        thread.join()


def test_another_thread_hears_nothing_and_breaks_nothing():
    told = []

    def work():
        with StopSignal() as stop, handlers_kept():
            told.append(stop.number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [0]
