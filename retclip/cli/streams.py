"""The three standard streams, made safe for work that lasts longer than whoever reads them.

A reader that leaves (`| head`, a terminal that was closed) ends no work and decides no exit code: what it would have
read is dropped. A stream that was closed by the caller (`<&- >&- 2>&-`) is opened on the null device, or the next file
that is opened, a store's catalog say, would be taken for it. A full disk behind stdout stays an error: data was lost.

Standard output is kept for data. What plugins and the libraries below them print while a command works goes to stderr,
from Python, from native code and from worker processes alike: a line between them would be no JSON any more.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from retclip.errors import DataError

STDIN, STDOUT, STDERR = 0, 1, 2
_for_data: TextIO | None = None  # standard output, while `sys.stdout` is another stream
GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.ESHUTDOWN)  # nobody is there to read


class Outlet(io.FileIO):
    """A descriptor for writing that outlives its reader.

    forgiving: drop also what cannot be written for another reason, a full disk say: right for messages, not for data.
    """

    def __init__(self, descriptor: int, forgiving: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.forgiving = forgiving

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Return the number of bytes that are done with, written or dropped."""
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


def reserve_stdout() -> None:
    """Keep standard output for this program: `sys.stdout` writes to it as before, over another descriptor, and whatever
    is written to descriptor 1, here or in a process that is started, goes to stderr. Nothing changes where somebody
    put another stream in its place."""
    if _descriptor(sys.stdout) != STDOUT:
        return
    sys.stdout.flush()
    original = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    sys.stdout = _over(Outlet(original, forgiving=False), sys.stdout)


@contextmanager
def talk_on_stderr() -> Iterator[None]:
    """Inside the block what is printed goes to stderr; `for_data` still names standard output."""
    global _for_data
    _for_data = data = sys.stdout
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, _for_data = data, None


def for_data() -> TextIO:
    """Standard output, whatever `sys.stdout` is now."""
    return _for_data or sys.stdout


def flush() -> None:
    """Write out what stdout still holds. Raises DataError where it cannot be written; then it is dropped."""
    try:
        sys.stdout.flush()
    except OSError as error:
        discard(_descriptor(sys.stdout) or STDOUT)
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
    """Return the stream over an `Outlet`; a stream that does not write to the descriptor itself stays as it is."""
    outlet: Any = Outlet(descriptor, forgiving=descriptor == STDERR)
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(outlet), "utf-8", "backslashreplace")
    if type(stream) is not io.TextIOWrapper or _descriptor(stream) != descriptor or _is_guarded(stream):
        return stream
    stream.flush()
    return _over(outlet, stream)


def _over(outlet: Any, stream: Any) -> TextIO:
    """Return a stream over the outlet, otherwise as the given one."""
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
