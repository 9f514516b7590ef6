"""The graph of a Qdrant Edge shard: how many vectors it holds, and building it in a process of its own.

Building holds the interpreter for tens of seconds and dies by SIGBUS on a full disk (stores.md 1.6): in its own
process it costs the program neither Ctrl-C nor its life. A kill costs the step of the graph that was being built, never
a point: the engine puts the finished graph into the place of the old one at the end.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from retclip.errors import StoreError
from retclip.store.index.edge_shard import SHARD, check_space, load

NOTE = "outside_graph"  # a file beside the shard: how many points at most were written since the graph was built
UNFINISHED = "temp_segments"  # where the engine builds
TEMPORARY = 2  # the new graph's files lie beside the old ones until it is done: so many times the shard's size


def outside(folder: Path, shard: Any) -> int:
    """Count the points that the graph misses: the noted bound, and never fewer than the engine reports.

    The engine's own figure counts deleted and replaced points as indexed, and so reports too few.
    """
    about = shard.info()
    points, in_graph = int(about.points_count), int(about.indexed_vectors_count)
    try:
        bound = int((folder / NOTE).read_text(encoding="ascii"))
    except (OSError, ValueError):  # an index of before there was a note
        bound = 0
    return max(min(bound, points), points - in_graph)


def note_outside(folder: Path, points: int) -> None:
    """Write the bound down, before the points are written, so that a kill leaves a bound, too. It is only a bound, so
    it is not flushed to the disk. Raises StoreError."""
    try:
        (folder / NOTE).write_text(str(points), encoding="ascii")
    except OSError as error:
        raise StoreError(f"a note in {folder}", str(error), "make room and the folder writable") from error


def build(folder: Path, dim: int, lock: IO[str], free_bytes: int) -> None:
    """Build the graph of the shard in `folder`, which must not be open. Ctrl-C stops it.

    dim: numbers in a vector.
    lock: the folder's; the new process holds it, too, so that it is not free before both are gone.
    free_bytes: to be left free on the disk.
    Raises StoreError with the last line of the process's errors, or the signal that ended it.
    """
    for half in (folder / SHARD / UNFINISHED).glob("*"):  # what a killed builder left is never used again
        shutil.rmtree(half, ignore_errors=True)
    size = sum(path.stat().st_size for path in (folder / SHARD).rglob("*") if path.is_file())
    check_space(folder, free_bytes + TEMPORARY * size)
    command = [sys.executable, "-P", "-m", __name__, str(folder), str(dim), str(os.getpid())]
    try:
        builder = subprocess.Popen(  # noqa: S603  this interpreter and this module
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", pass_fds=(lock.fileno(),), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise _not_built(folder, str(error)) from error
    try:
        _, stderr = builder.communicate()
    except BaseException:
        builder.kill()
        builder.wait()
        raise
    if builder.returncode < 0:
        raise _not_built(folder, f"its process was ended by signal {-builder.returncode}")
    if builder.returncode:
        raise _not_built(folder, (stderr.strip().splitlines() or [f"exit code {builder.returncode}"])[-1])


def main(folder: str, dim: str, parent: str) -> None:
    """Build the graph in the new process, which dies with its parent, whatever kills that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != int(parent):
        return
    shard = load(Path(folder) / SHARD, int(dim))
    shard.optimize()
    shard.flush()
    shard.close()


def _not_built(folder: Path, reason: str) -> StoreError:
    todo = "make room on the disk and in memory, then run `retclip doctor --repair`; until then answers come slower"
    return StoreError(f"the graph of the index {folder} to be built", reason, todo)


if __name__ == "__main__":
    main(*sys.argv[1:])
