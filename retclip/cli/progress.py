"""Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere; rate, ETA, failures."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from retclip.cli.output import message
from retclip.escaping import one_line
from retclip.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

EVERY = 5.0  # seconds between plain lines


class ProgressLine:
    """A line of progress, to be given to a workflow as its `on_progress`, as often as it likes.

    Use it as a context manager. It begins with the first report, when the total is known, and counts the time since it
    was made. Another task begins another line, and began when the one before it ended.
    """

    def __init__(self) -> None:
        self.task: str | None = None
        self.started = self.last = self._latest = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        if progress.message:
            message(progress.message)
            if not progress.total:
                return
        if progress.task != self.task:
            self._begin(progress)
        elapsed = max(time.monotonic() - self.started, 1e-9)
        rate = (progress.done - progress.skipped) / elapsed
        failed, note = f", {progress.failed} failed" if progress.failed else "", progress.note and f", {progress.note}"
        text = f"{rate:.1f}/s{failed}{note}"
        self._latest = time.monotonic()
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=progress.done, note=one_line(text))
        elif self._latest - self.last >= EVERY or progress.done == progress.total:
            self.last = self._latest
            message(f"{progress.task} {progress.done}/{progress.total}  {text}, {_left(progress, rate)}")

    def _begin(self, progress: Progress) -> None:
        self.__exit__()
        if self.task is not None:
            self.started = self._latest
        self.task, self.last = progress.task, time.monotonic()
        if sys.stderr.isatty():
            self._bar = _bar(progress)


def _bar(progress: Progress) -> Bar:
    """Return a bar of rich's, which shows the task and never reads markup from it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    task, note = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[note]}"))
    bar = Bar(task, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note, console=Console(stderr=True))
    bar.add_task(one_line(progress.task), total=progress.total or None, note="")
    bar.start()
    return bar


def _left(progress: Progress, rate: float) -> str:
    if progress.done < progress.total and not rate:
        return "nothing to measure the rest by yet"
    seconds = round((progress.total - progress.done) / rate) if rate else 0
    return f"{seconds} s left" if seconds < 600 else f"{timedelta(seconds=seconds)} left"
