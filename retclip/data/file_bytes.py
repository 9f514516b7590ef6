"""A file's bytes: read within the limits, and once for everybody who needs them.

A build needs a photo twice: its digest says whether it is finished, and some photos later it is decoded. In between
the bytes are held, of as many files as ROOM holds; those of more are read again.
"""

from __future__ import annotations

import os
import stat
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from retclip.errors import DataError
from retclip.file_stamp import Stamp, stamp_of
from retclip.limits import MIB, Limits, check_size, current

ROOM = 128 * MIB  # bytes of all files that are held at a time
SETTLED = 2.0  # seconds, the coarsest clock of a file system (FAT's): a younger file may change and keep its time


def image_bytes(path: Path, limits: Limits | None = None) -> bytes:
    """Return the file's bytes; never blocks on a pipe and never reads more than the limit. Raises DataError."""
    limits = limits or current()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise refused(path, str(error), "a readable file", "check the path and its permissions") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)  # fdopen would refuse a folder in its own words
        raise refused(path, "a folder, pipe or device", "a regular file", "name a photo")
    with os.fdopen(descriptor, "rb") as file:
        check_size(status.st_size, limits.file_bytes, f"an image file: {path}", "limits.file_mib")
        if not status.st_size:
            raise refused(path, "an empty file", "a photo", "copy it again")
        return file.read(limits.file_bytes + 1)  # it may grow meanwhile


@dataclass(frozen=True)
class Part:
    """Where in a file that holds several photos the bytes of one lie.

    file: it, whose stamp stands for them.
    name: of the place, unique in the file; the same one always has the same bytes while the file does not change.
    """

    file: Path
    name: str


class ReadOnce:
    """A file whose bytes are read when they are first needed, and held until they are taken.

    path: of the file; of a photo in an archive the place that `read` reads, for messages.
    read: returns the bytes; None = the file's own.
    part: where `read` reads; None = nobody knows which files its bytes depend on.

    `stamp` is that of the file, or of the part's, before its bytes were read; None where they were not, or the file was
    too young.
    """

    def __init__(self, path: Path | str, read: Callable[[], bytes] | None = None, part: Part | None = None) -> None:
        self.path, self.part, self._read, self._content = path, part, read, b""
        self._leave: Callable[[], object] = _nothing
        self.stamp: Stamp | None = None

    @property
    def content(self) -> bytes:
        """Return the bytes, and hold them where there is room. Raises DataError."""
        if self._content:
            return self._content
        content = self._fresh()
        if _room.taken(len(content)):
            self._content, self._leave = content, weakref.finalize(self, _room.left, len(content))
        return content

    def taken(self) -> bytes:
        """Return the bytes and hold them no longer. Raises DataError."""
        content = self._content or self._fresh()
        self.let_go()
        return content

    def let_go(self) -> None:
        """Hold the bytes no longer; whoever needs them again reads them."""
        self._content = b""
        self._leave()

    def _fresh(self) -> bytes:
        self.stamp = None if self.stamped is None else _settled(self.stamped)
        return image_bytes(Path(self.path)) if self._read is None else self._read()

    @property
    def stamped(self) -> Path | None:
        """The file whose stamp stands for the bytes; None where there is none."""
        if self._read is None:
            return Path(self.path)
        return None if self.part is None else self.part.file

    def __str__(self) -> str:
        return str(self.path)


def _settled(path: Path) -> Stamp | None:
    """Return a file's stamp; None also where it is too young to say that the content is the same."""
    stamp, now = stamp_of(path), time.time()
    is_settled = stamp is not None and max(stamp.modified_ns, stamp.changed_ns) < (now - SETTLED) * 1e9
    return stamp if is_settled else None


class _Room:
    """How many bytes are held, by all files of the process."""

    def __init__(self, size: int) -> None:
        self._free, self._lock = size, threading.Lock()

    def taken(self, size: int) -> bool:
        """Take so much room; False, and nothing taken, where there is less."""
        with self._lock:
            fits = size <= self._free
            self._free -= size if fits else 0
            return fits

    def left(self, size: int) -> None:
        """Give so much back."""
        with self._lock:
            self._free += size


_room = _Room(ROOM)


def _nothing() -> None:
    """Nothing is held, and nothing to give back."""


def refused(file: Path | str, got: str, expected: str, todo: str) -> DataError:
    """Return the error for a file that is not what was expected."""
    return DataError(f"{expected}: {file}", got, todo)
