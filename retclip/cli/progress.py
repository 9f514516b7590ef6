"""Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere; rate, ETA, failures."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from types import TracebackType

from retclip.cli.output import message
from retclip.escaping import one_line

EVERY = 5.0  # seconds between plain lines


class Progress:
    """Use as a context manager; `update` may be called as often as one likes. started: when the work began, where that
    was before the total was known."""

    def __init__(self, task: str, total: int, started: float | None = None) -> None:
        self.task, self.total = task, total
        self.last = time.monotonic()
        self.started = self.last if started is None else started
        self._bar = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            name, note = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[note]}"))
            columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note)
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task(one_line(task), total=total or None, note="")

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, done: int, failed: int = 0, note: str = "", passed_over: int = 0) -> None:
        """Say how many are done and how many of these failed. passed_over: how many of them were no work, which would
        make the rest look fast, too."""
        elapsed = max(time.monotonic() - self.started, 1e-9)
        rate = (done - passed_over) / elapsed
        note = f"{rate:.1f}/s{f', {failed} failed' if failed else ''}{f', {note}' if note else ''}"
        if self._bar:
            self._bar.update(self._task, completed=done, note=one_line(note))
        elif time.monotonic() - self.last >= EVERY or done == self.total:
            self.last = time.monotonic()
            message(f"{self.task} {done}/{self.total}  {note}, {self._left(done, rate)}")

    def _left(self, done: int, rate: float) -> str:
        if done < self.total and not rate:
            return "nothing to measure the rest by yet"
        seconds = round((self.total - done) / rate) if rate else 0
        return f"{seconds} s left" if seconds < 600 else f"{timedelta(seconds=seconds)} left"


class LateProgress:
    """A progress line whose total comes with the first step; it begins then, and counts the time since it was made."""

    def __init__(self, task: str) -> None:
        self.task, self.started = task, time.monotonic()
        self._line: Progress | None = None

    def __enter__(self) -> LateProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.__exit__(None)

    def update(self, done: int, total: int, failed: int = 0, note: str = "", passed_over: int = 0) -> None:
        """As `Progress.update`."""
        if self._line is None:
            self._line = Progress(self.task, total, self.started).__enter__()
        self._line.update(done, failed, note, passed_over)


class StepProgress:
    """A line for each task of several, one after the other."""

    def __init__(self) -> None:
        self._line: LateProgress | None = None
        self._since = time.monotonic()  # a task began when the one before it ended

    def __enter__(self) -> StepProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.__exit__(None)

    def update(self, task: str, done: int, total: int, failed: int = 0, note: str = "") -> None:
        """As `Progress.update`; another task begins another line."""
        if self._line is None or self._line.task != task:
            self.__exit__()
            self._line = LateProgress(task)
            self._line.started = self._since
        self._line.update(done, total, failed, note)
        self._since = time.monotonic()
