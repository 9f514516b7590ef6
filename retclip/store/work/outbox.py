"""The outbox: segments whose index entries must follow.

A row is written in the same transaction as the change, so a change without its row cannot exist. The row carries only
segment ids: the relay (`store.index.sync`) reads what is true *now*, so rows may be repeated and come in any order.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select, update

from retclip.store.ids import digest
from retclip.store.sql.catalog import pages
from retclip.store.sql.columns import now
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import Outbox
from retclip.store.work.ledger import live_versions

SEGMENTS_PER_ROW = 4096


def announce_changes(connection: Connection, segment_ids: Sequence[int], space_id: int | None = None) -> None:
    """Tell every index that segments changed; the last call in a transaction, see `announce`.

    space_id: tell the indexes of that space alone, which got vectors that others do not see; None for all.
    """
    announce(connection, live_versions(connection, space_id), segment_ids)


def announce(connection: Connection, versions: Sequence[int], segment_ids: Sequence[int]) -> None:
    """Tell those store versions that segments changed.

    This is the last call in a transaction: rows are numbered in the order in which they are committed, so that an index
    in memory, which remembers the newest number it has seen, misses none that comes late."""
    one_writer_at_a_time(connection)
    rows = [
        {"version_id": version, "segment_ids": struct.pack(f"<{len(page)}q", *page)}
        for version in versions
        for page in pages(segment_ids, SEGMENTS_PER_ROW)
    ]
    if rows:
        connection.execute(insert(Outbox), rows)


def pending(connection: Connection, version_id: int, limit: int) -> tuple[list[int], list[int]]:
    """Read the oldest pending rows of a version: (row ids, the segment ids in them, each once, ascending)."""
    query = select(Outbox.id, Outbox.segment_ids).where(Outbox.version_id == version_id, Outbox.done_at.is_(None))
    rows = connection.execute(query.order_by(Outbox.id).limit(limit)).all()
    return [row[0] for row in rows], _segment_ids([row[1] for row in rows])


def announced_since(connection: Connection, version_id: int, last_row: int) -> tuple[int, list[int]]:
    """Read the rows of a version after `last_row`, done or not: (the newest row id, the segment ids in them)."""
    query = select(Outbox.id, Outbox.segment_ids).where(Outbox.version_id == version_id, Outbox.id > last_row)
    rows = connection.execute(query.order_by(Outbox.id)).all()
    return rows[-1][0] if rows else last_row, _segment_ids([row[1] for row in rows])


def done_since(connection: Connection, version_id: int, last_row: int) -> tuple[int, list[int]]:
    """Read the rows of a version after `last_row` that are done: (the newest row id, the segment ids in them)."""
    query = select(Outbox.id, Outbox.segment_ids).where(
        Outbox.version_id == version_id, Outbox.id > last_row, Outbox.done_at.is_not(None)
    )
    rows = connection.execute(query.order_by(Outbox.id)).all()
    return rows[-1][0] if rows else last_row, _segment_ids([row[1] for row in rows])


def newest_row(connection: Connection, version_id: int) -> int:
    """Find the newest row of a version, 0 without any."""
    query = select(func.coalesce(func.max(Outbox.id), 0)).where(Outbox.version_id == version_id)
    return connection.execute(query).scalar_one()


def mark_of(connection: Connection, version_id: int, row_id: int) -> str | None:
    """Compute what tells a row from one of that number in another catalog; None without such a row."""
    query = select(Outbox.segment_ids, Outbox.created_at).where(Outbox.version_id == version_id, Outbox.id == row_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else digest(row[1].isoformat(), row[0].hex())


def pending_count(connection: Connection, version_id: int) -> int:
    """Count the pending rows of a version."""
    query = select(func.count()).select_from(Outbox).where(Outbox.version_id == version_id, Outbox.done_at.is_(None))
    return connection.execute(query).scalar_one()


def mark_done(connection: Connection, row_ids: Sequence[int]) -> None:
    """Mark rows as done: the index has followed them."""
    for page in pages(row_ids):
        connection.execute(update(Outbox).where(Outbox.id.in_(page)).values(done_at=now()))


def _segment_ids(blobs: Sequence[bytes]) -> list[int]:
    import numpy as np  # where an index follows; who only announces a change needs none

    return [int(number) for number in np.unique(np.frombuffer(b"".join(blobs), dtype="<i8"))]
