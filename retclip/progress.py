"""How far a long piece of work is, said by every workflow in the same words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One look at work that goes on.

    task: what is being done, e.g. "build street"; another task may follow in the same call.
    done: units that are dealt with, those that failed or needed no work included; images, steps or bytes.
    total: units in all, 0 = not known.
    failed: how many of `done` could not be used.
    skipped: how many of `done` needed no work, so that they say nothing of the speed.
    note: what else is to be seen beside the numbers, e.g. "120 segments".
    message: a sentence to be read once, whatever is done with the numbers; mostly empty.
    """

    task: str
    done: int = 0
    total: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""
    message: str = ""


OnProgress = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Tell nobody."""
