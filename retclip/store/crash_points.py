"""Named places where a test may stop the program, to prove that every step of the store's protocol can be repeated.

In normal use `reach` does nothing. A test arms it with a function that raises at the n-th call; the crash test walks
n from 0 until a run ends by itself (tests/store/archive/test_crash_points.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_armed: list[Callable[[str], None]] = []


def reach(step: str) -> None:
    """Say that `step` is done. Does nothing unless a test has armed it."""
    for hook in _armed:
        hook(step)


@contextmanager
def armed(hook: Callable[[str], None]) -> Iterator[None]:
    """For the length of a `with` block, call `hook` with the name of each step."""
    _armed.append(hook)
    try:
        yield
    finally:
        _armed.remove(hook)
