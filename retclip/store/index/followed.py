"""How far an index on the disk has followed, noted in a file beside it: whether its catalog is the one it followed.

A catalog that is restored from a backup knows nothing of what the index holds of later days, and the index, which
guards each point by its revision, may keep it: answers would lack neighbours without a word. So the note names a row of
the outbox, and a mark of it, as kept rows do: in another catalog there is no such row, and the index is compared whole.
An index that was itself restored names an earlier row than it should: what was done since then is followed again.

A note is written before what it tells of, so that an index is never ahead of it. It goes before a comparison, and comes
back after it, so that one which was stopped is made again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from retclip.errors import StoreError
from retclip.own_files import write_durably
from retclip.store.sql.engine import read
from retclip.store.work import outbox

NOTE = "followed"  # its name in the index's folder
BEGINNING = "none"  # the mark of what was before the first row


@dataclass(frozen=True)
class FollowedNote:
    """The note of an index.

    version_id: the index's row in the catalog.
    path: the note's file.
    """

    engine: Engine
    version_id: int
    path: Path

    def row(self) -> int | None:
        """Read which row was noted; None if there is no note, or the catalog has no such row."""
        try:
            row, mark = self.path.read_text(encoding="ascii").split()
            return int(row) if 0 <= int(row) < 1 << 63 and self._mark(int(row)) == mark else None
        except (OSError, ValueError):
            return None

    def write(self, row: int) -> None:
        """Note the newest row that is followed. Raises StoreError without room."""
        try:
            write_durably(self.path, f"{row} {self._mark(row)}\n".encode("ascii"))
        except OSError as error:
            todo = "make room, and let who owns the store write there; the next command follows"
            raise StoreError(f"room for the file {self.path}", str(error), todo) from error

    def advance(self, row: int) -> None:
        """Note a row, if nothing is unknown of those before it: if there is a note. Raises StoreError."""
        if self.path.exists():
            self.write(row)

    def forget(self) -> None:
        """Remove the note: the index is to be compared whole."""
        with suppress(OSError):
            self.path.unlink()

    def _mark(self, row: int) -> str | None:
        if row == 0:
            return BEGINNING
        return read(self.engine, partial(outbox.mark_of, version_id=self.version_id, row_id=row))
