"""The files of kept rows (`kept_rows`): their names, the lock of their writer, and what a killed writer leaves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".rows"


def remove_kept(path: Path) -> None:
    """Delete the file and what a killed writer left of it."""
    for file in (path, *_leftovers(path)):
        with suppress(OSError):
            file.unlink()


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside the file to the only process that writes; what killed writers left goes. Raises
    BlockingIOError while another one writes."""
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file in _leftovers(path):
            file.unlink()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            yield temporary
        finally:
            with suppress(OSError):
                temporary.unlink()
    finally:
        os.close(lock)


def _leftovers(path: Path) -> list[Path]:
    return list(path.parent.glob(f".{path.name}.*.tmp"))
