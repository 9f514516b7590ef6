"""The points that an index of one feature space should hold, read from SQL: `store.index.sync` makes it so.

A segment that is missing here should be absent there: it was retired, its image is being deleted, its class is
retired, or it has no vector in this space. Quarantined segments are held with a state that no search finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Select, func, select

from retclip.store.archive.vector_rows import PLACE, with_place
from retclip.store.sql.catalog import PAGE, joined, living, rows_in
from retclip.store.sql.engine import read
from retclip.store.sql.tables import ImageRow, Segment


@dataclass(frozen=True)
class WantedPoint:
    """The point that an index should hold of a segment, and where its vector lies.

    state: 0 searchable, 1 hidden; a retired segment has no point.
    shard, row_no, crc32: the archive's file, the vector's row in it and its checksum.
    """

    segment_id: int
    point_id: UUID
    category_id: int
    image_id: int
    dataset_id: int
    state: int
    rev: int
    run_id: int
    shard: str
    row_no: int
    crc32: int


def points_of(connection: Connection, space_id: int, segment_ids: Sequence[int]) -> list[WantedPoint]:
    """Read the points that an index of a space should hold of those segments."""
    return [WantedPoint(*row) for row in rows_in(connection, _wanted(space_id), Segment.id, segment_ids)]


def all_points(engine: Engine, space_id: int, page: int = PAGE) -> Iterator[list[WantedPoint]]:
    """Read every point that an index of a space should hold, in pages by ascending segment. Each page is a transaction
    of its own: none waits while its reader writes into an index."""
    last = -1
    while True:
        query = _wanted(space_id).where(Segment.id > last).order_by(Segment.id).limit(page)
        rows = read(engine, partial(_points, query=query))
        if not rows:
            return
        yield rows
        last = rows[-1].segment_id


def _points(connection: Connection, query: Select[Any]) -> list[WantedPoint]:
    return [WantedPoint(*row) for row in connection.execute(query)]


def count(connection: Connection, space_id: int) -> int:
    """Count the points that an index of a space should hold."""
    return connection.execute(select(func.count()).select_from(_wanted(space_id).subquery())).scalar_one()


def _wanted(space_id: int) -> Select[Any]:
    columns: tuple[Any, ...] = (
        Segment.id, Segment.point_id, Segment.category_id, Segment.image_id, ImageRow.dataset_id, Segment.status,
        Segment.rev, Segment.run_id, *PLACE,
    )  # fmt: skip
    return with_place(joined(select(*columns).select_from(Segment)), space_id).where(living())
