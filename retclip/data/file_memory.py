"""What was computed from files, remembered as long as they stay as they were: a photo's digest, a map's classes.

A finished build that is started again would otherwise read every photo and decode every label map to learn that
nothing is to do. Remembered is what a file with this stamp gave (place, size, times, inode), as Git's index does it; a
file that was written less than two seconds before it was read is not remembered, for it could change and keep its time.
The memory is a file in the cache folder: without it, or where it is damaged, everything is computed again.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

from retclip.data.file_bytes import ReadOnce
from retclip.file_stamp import Stamp, stamp_of

Answer = TypeVar("Answer")
NAME = "files.sqlite"
LARGEST = 512 << 20  # bytes, of some two million files; a larger memory is begun anew
WAIT = 2.0  # seconds for another process that is writing
TABLE = """CREATE TABLE IF NOT EXISTS computed (
    path BLOB, what TEXT, stamp TEXT, value TEXT, PRIMARY KEY (path, what)) WITHOUT ROWID"""
log = logging.getLogger(__name__)


class FileMemory:
    """A memory in a folder, shared by processes and threads. Raises sqlite3.Error and OSError when it is opened."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._lock, self._was_damaged = folder / NAME, threading.Lock(), False
        self._database = _connected(self._path)
        self._inode = self._path.stat().st_ino

    def recalled(self, path: Path, what: str, stamp: Stamp) -> Any:
        """Return what was computed from the file when it had that stamp; None where nothing was."""
        query = "SELECT value FROM computed WHERE path = ? AND what = ? AND stamp = ?"
        with self._lock:
            row = self._database.execute(query, (os.fsencode(path), what, _text(stamp))).fetchone()
        return None if row is None else json.loads(row[0])

    def remember(self, path: Path, what: str, stamp: Stamp, value: Any) -> None:
        """Note what was computed from the file with that stamp."""
        row = os.fsencode(path), what, _text(stamp), json.dumps(value)
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO computed VALUES (?, ?, ?, ?)", row)

    def begin_anew(self) -> None:
        """Leave a damaged file for an empty one, or for the one that another process has put in its place meanwhile.

        Once: where the second is damaged too, the disk is. Raises sqlite3.Error and OSError.
        """
        with self._lock:
            if self._was_damaged:
                return
            self._was_damaged = True
            is_replaced = self._path.exists() and self._path.stat().st_ino != self._inode
            self._database.close()
            if not is_replaced:
                _remove(self._path)
            self._database = _connected(self._path)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


_current: FileMemory | None = None


@contextmanager
def remembering(folder: Path | None) -> Iterator[None]:
    """Recall and remember in this block, in all threads of the process.

    folder: of the memory; None = without one.
    """
    global _current
    earlier, memory = _current, None if folder is None else _opened(folder)
    _current = memory
    try:
        yield
    finally:
        _current = earlier
        if memory is not None:
            memory.close()


def remembered(file: ReadOnce, what: str, compute: Callable[[], Answer]) -> Answer:
    """Return what `compute` makes of a file's bytes: recalled where the file did not change since, else computed.

    what: names it, with everything else that decides it.
    compute: returns plain data for JSON; None is not remembered.
    """
    memory, path = _current, file.stamped
    if memory is None or path is None:
        return compute()
    what = what if file.part is None else f"{what} of {file.part.name}"
    with _passing_over_faults(memory):
        known = None if (stamp := stamp_of(path)) is None else memory.recalled(path, what, stamp)
        if known is not None:
            answer: Answer = known
            return answer
    answer = compute()
    if file.stamp is not None and answer is not None:
        with _passing_over_faults(memory):
            memory.remember(path, what, file.stamp, answer)
    return answer


def _opened(folder: Path) -> FileMemory | None:
    """Return the memory; a damaged one is begun anew, and one that cannot be written is none."""
    for _ in range(2):
        try:
            return FileMemory(folder)
        except sqlite3.OperationalError as error:  # locked, or no place to write
            log.info("files are read again: %s", error)
            return None
        except sqlite3.DatabaseError:  # no database, or a damaged one
            with suppress(OSError):
                _remove(folder / NAME)
        except OSError as error:
            log.info("files are read again: %s", error)
            return None
    return None


@contextmanager
def _passing_over_faults(memory: FileMemory) -> Iterator[None]:
    """Go on after what the memory could not do; a damaged one is begun anew."""
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        if type(error) is sqlite3.DatabaseError:  # its kinds are of a locked, a full or a closed one
            with suppress(sqlite3.Error, OSError):
                memory.begin_anew()


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, WAIT, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(TABLE)
        ((size,),) = database.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        if size > LARGEST:
            _empty(database)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _empty(database: sqlite3.Connection) -> None:
    """Forget everything within the file, which other processes may have open; while they write, it stays as it is."""
    with suppress(sqlite3.OperationalError):
        database.execute("DELETE FROM computed")
        database.execute("VACUUM")


def _remove(path: Path) -> None:
    """Remove a damaged memory, with the files beside it, which would be taken for the next one's."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _text(stamp: Stamp) -> str:
    return " ".join(map(str, astuple(stamp)))
