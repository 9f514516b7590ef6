"""The three standard streams, made safe for work that lasts longer than whoever reads them.

A reader that leaves (`| head`, a terminal that was closed) ends no work and decides no exit code: what it would have
read is dropped. A stream that was closed by the caller (`<&- >&- 2>&-`) is opened on the null device, or the next file
that is opened, a store's catalog say, would be taken for it. A full disk behind stdout stays an error: data was lost.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from retclip.errors import DataError

STDIN, STDOUT, STDERR = 0, 1, 2
GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.ESHUTDOWN)  # nobody is there to read


class Outlet(io.FileIO):
    """A descriptor for writing that outlives its reader. forgiving: also what cannot be written for another reason, a
    full disk say, is dropped: right for messages, not for data."""

    def __init__(self, descriptor: int, forgiving: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.forgiving = forgiving

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """How many bytes are done with, written or dropped."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in GONE and not self.forgiving:
                raise
            discard(self.fileno())
            return len(data)


def guard() -> None:
    """Make the standard streams of this process safe; streams that somebody else put in their place stay."""
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            discard(descriptor)
    if sys.stdin is None:
        sys.stdin = open(STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _guarded(sys.stdout, STDOUT)
    sys.stderr = _guarded(sys.stderr, STDERR)


def flush() -> None:
    """Write out what stdout still holds. Raises DataError where it cannot be written; then it is dropped."""
    try:
        sys.stdout.flush()
    except OSError as error:
        discard(STDOUT)
        with suppress(OSError):
            sys.stdout.flush()  # or the interpreter would try once more, and end with an exit code of its own
        raise DataError(
            "standard output to take what was printed", str(error), "make room, or choose another"
        ) from error


def discard(descriptor: int) -> None:
    """Whatever is written there from now on is dropped; whoever reads there finds nothing."""
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)  # inherited by workers, as a standard stream should be
        os.close(null)
    else:
        os.set_inheritable(descriptor, True)


def _guarded(stream: TextIO | None, descriptor: int) -> TextIO:
    """The same stream over an `Outlet`; one that does not write to the descriptor itself stays as it is."""
    outlet: Any = Outlet(descriptor, forgiving=descriptor == STDERR)
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(outlet), "utf-8", "backslashreplace")
    if type(stream) is not io.TextIOWrapper or _descriptor(stream) != descriptor or _is_guarded(stream):
        return stream
    stream.flush()
    unbuffered = isinstance(stream.buffer, io.RawIOBase)  # python -u
    return io.TextIOWrapper(
        outlet if unbuffered else io.BufferedWriter(outlet),
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _is_guarded(stream: io.TextIOWrapper) -> bool:
    return isinstance(getattr(stream.buffer, "raw", stream.buffer), Outlet)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a buffer in memory, or one that is closed
        return None
