"""Ctrl-C, SIGTERM (a container that is stopped) and SIGHUP (a terminal that is closed): how they end the work.

Commands are ended by an exception, as Python ends them by Ctrl-C; a loop that must not leave a step half done asks
instead (`StopSignal`). Either way the first signal ends the work in order, and a later one the process at once. What
comes within half a second is the first one still: programs that start others pass on what these have heard already.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
SAME = 0.5  # seconds in which signals count as one
Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """A signal ends the work.

    number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(number: int) -> int:
    """Return what a shell tells of a process that a signal ended: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP."""
    return 128 + number


class StopSignal:
    """Hear the signals as a question; use as a context manager.

    number: the signal that has come, 0 for none. Outside the main thread, where Python hears no signals, none comes."""

    def __init__(self) -> None:
        self.number = 0
        self._earlier: dict[int, Any] = {}
        self._came = 0.0

    def __enter__(self) -> StopSignal:
        self._earlier = _heard(self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        moment = time.monotonic()
        if not self.number:
            self.number, self._came = number, moment
            self._first()
        elif moment - self._came >= SAME:
            os._exit(exit_code(number))

    def _first(self) -> None:
        """What the first one does beside being noted."""

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, earlier in self._earlier.items():
            signal.signal(number, earlier)


class RaisingStopSignal(StopSignal):
    """Raise Stopped in the main thread when the first signal comes."""

    def _first(self) -> None:
        raise Stopped(self.number)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Give the signals back to whom they belonged before the block: some libraries take them when they start."""
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in earlier.items():
                signal.signal(number, handler)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals wait until the end of the block. Processes that are started in it never hear any: what stops a
    service or closes a terminal signals all processes, and theirs end when this one says so."""
    waiting: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    earlier = _heard(lambda number, _: waiting.append(number))  # a thread that some library started hears them still
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number in waiting:
            signal.raise_signal(number)


def _heard(handler: Handler) -> dict[int, Any]:
    """Set the handler; who handled before. What the process was told to ignore (nohup does so) stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handled = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}
