"""Making the index what SQL wants: the relay for what changed, the load for everything.

All end in `follow`: read what is true now, upsert it under the revision guard, delete what should not be there, and
look again whether it is still true. So it may be killed anywhere and run again, and several processes may do it.
What an index holds otherwise than it should is found by `retclip.store.index.reconcile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from retclip.store.archive.shards import Archive
from retclip.store.crash_points import reach
from retclip.store.index import wanted_points
from retclip.store.index.followed import FollowedNote
from retclip.store.index.protocol import PAYLOAD, Points, VectorIndex
from retclip.store.index.wanted_points import WantedPoint
from retclip.store.sql import catalog
from retclip.store.sql.engine import read, write
from retclip.store.work.outbox import announced_since, mark_done, pending

ROWS_PER_ROUND = 32  # outbox rows handled between two looks at SQL


@dataclass(frozen=True)
class Projection:
    """An index and the truth it should follow."""

    engine: Engine
    archive: Archive
    index: VectorIndex
    space_id: int
    version_id: int
    home: str | None  # where the index lies; None: in this process, so it must not mark rows done for the one on disk
    note: FollowedNote | None = None  # of an index in the store's folder

    @property
    def durable(self) -> bool:
        """Tell whether the index outlives this process."""
        return self.home is not None


def relay(projection: Projection) -> int:
    """Apply every pending outbox row of the version; returns how many segments it looked at."""
    total = 0
    while True:
        rows, segment_ids = read(
            projection.engine, partial(pending, version_id=projection.version_id, limit=ROWS_PER_ROUND)
        )
        if not rows:
            return total
        if projection.note is not None:
            projection.note.advance(rows[-1])
        follow(projection, segment_ids)
        reach("index written")
        write(projection.engine, partial(mark_done, row_ids=rows))
        reach("outbox done")
        total += len(segment_ids)


def follow_since(projection: Projection, last_row: int) -> int:
    """Apply every row after `last_row` to an index in memory, which must not mark rows done; returns the newest row."""
    version = projection.version_id
    newest, segment_ids = read(projection.engine, lambda connection: announced_since(connection, version, last_row))
    follow(projection, segment_ids)
    return newest


def load_all(projection: Projection) -> int:
    """Put every point that SQL names into the index (an empty one, or one that lives in memory); returns the count.

    One in memory nobody else writes, and it sees later what is announced meanwhile, so nothing is read twice."""
    total = 0
    for page in wanted_points.all_points(projection.engine, projection.space_id):
        if projection.durable:
            follow(projection, [point.segment_id for point in page], page)
        else:
            _upsert(projection, page)
        total += len(page)
    return total


def follow(projection: Projection, segment_ids: Sequence[int], points_read: list[WantedPoint] | None = None) -> None:
    """Make the index agree with SQL about those segments.

    Another process may change them meanwhile and have its index writes overtaken by these. So they are repeated until
    SQL says the same before and after: then whoever changes them later writes later, too.

    points_read: the segments' points, read from SQL a moment ago; None to read them here.
    """
    if not len(segment_ids):
        return
    point_ids = set(read(projection.engine, partial(catalog.point_ids, segment_ids=segment_ids)))
    points = _points_of(projection, segment_ids) if points_read is None else points_read
    while True:
        _upsert(projection, points)
        unwanted = point_ids - {point.point_id for point in points}
        if unwanted:
            projection.index.delete(sorted(unwanted))
        before, points = points, _points_of(projection, segment_ids)
        if set(points) == set(before):
            return


def _points_of(projection: Projection, segment_ids: Sequence[int]) -> list[WantedPoint]:
    space_id = projection.space_id
    return read(projection.engine, partial(wanted_points.points_of, space_id=space_id, segment_ids=segment_ids))


def _upsert(projection: Projection, points: Sequence[WantedPoint]) -> None:
    if points:
        vectors = archived(projection, points)
        payload = np.array([payload_of(point) for point in points], dtype=np.int64)
        projection.index.upsert(Points([point.point_id for point in points], vectors, payload))


def archived(projection: Projection, points: Sequence[WantedPoint]) -> NDArray[np.float32]:
    """Read the vectors of points, (n, d) float32 of unit length. Raises StoreDamaged."""
    return projection.archive.vectors(points, projection.index.dim)


def payload_of(point: WantedPoint) -> list[int]:
    """List the integers that an index should hold of a point, in the order of PAYLOAD."""
    values = {
        "cat": point.category_id, "img": point.image_id, "ds": point.dataset_id,
        "st": point.state, "rev": point.rev, "run": point.run_id,
    }  # fmt: skip
    return [values[key] for key in PAYLOAD]
