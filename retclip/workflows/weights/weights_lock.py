"""One program at a time writes into the folder of a set of weights; who comes later waits.

Two programs that download the same file at once would write into the same part of it. The lock lies beside the folder,
dies with its process, and holds between machines that share a home wherever their file system passes locks on.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from retclip.plugin.weights import Weights, folder_of
from retclip.progress import OnProgress, Progress, silent

HELD = (errno.EACCES, errno.EAGAIN)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)  # what file systems without locks answer
log = logging.getLogger(__name__)


@contextmanager
def alone(weights: Weights, on_progress: OnProgress = silent) -> Iterator[None]:
    """Hold the lock inside the block.

    on_progress: told once, with whose it is, where another program holds it.
    Raises OSError where the folder of all weights cannot be written.
    """
    folder = folder_of(weights)
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _opened(folder.parent / f".{weights.name}.lock")
    try:
        _acquire(descriptor, weights.name, on_progress)
        with suppress(OSError):  # who holds it is a help, not the lock
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """The lock's file, which another user of the same folder may have made."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _acquire(descriptor: int, name: str, on_progress: OnProgress) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            log.warning("no lock on the folder of these weights (%s): let one program at a time fetch them", error)
            return
        if error.errno not in HELD:
            raise
        holder = os.pread(descriptor, 300, 0).decode(errors="replace")
        message = f"{name}: {holder or 'another program'} is at work on it; waiting for it to end"
        on_progress(Progress(name, message=message))
        fcntl.flock(descriptor, fcntl.LOCK_EX)
