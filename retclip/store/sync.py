"""Making the index what SQL wants: the relay for what changed, the reconcile job for everything.

Both end in `_follow`: read what is true now, upsert it under the revision guard, delete what should not be there. So
both may be killed anywhere and run again. Repair compares both ways; a check changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, insert

from retclip.errors import StoreDamaged
from retclip.store import catalog, wanted_points
from retclip.store.archive import Archive
from retclip.store.crash_points import reach
from retclip.store.engine import transaction
from retclip.store.outbox import announced_since, mark_done, newest_row, pending, pending_count
from retclip.store.vectors import PAYLOAD, Points, VectorIndex
from retclip.store.wanted_points import WantedPoint
from retclip.store.work_tables import ReconcileRun

ROWS_PER_ROUND = 32  # outbox rows handled between two looks at SQL
TOLERANCE = 1e-3  # cosine distance between archive and index beyond which a vector is damaged: float16 gives 1e-6


@dataclass(frozen=True)
class Projection:
    """An index and the truth it should follow."""

    engine: Engine
    archive: Archive
    index: VectorIndex
    space_id: int
    version_id: int
    durable: bool = True  # False: lives in this process, so it must not mark outbox rows done for the one on disk


@dataclass(frozen=True)
class Differences:
    """What an index holds otherwise than SQL and the archive: segment ids per kind, and outbox rows still waiting."""

    missing: tuple[UUID, ...]  # wanted, not there
    orphan: tuple[UUID, ...]  # there, not wanted
    stale: tuple[UUID, ...]  # there with another class, state or revision
    damaged: tuple[UUID, ...]  # there with another vector
    pending: int

    @property
    def clean(self) -> bool:
        """Whether index and truth agree."""
        return not (self.missing or self.orphan or self.stale or self.damaged)


def relay(projection: Projection) -> int:
    """Apply every pending outbox row of the version; returns how many segments were looked at."""
    total = 0
    while True:
        with transaction(projection.engine) as connection:
            rows, segment_ids = pending(connection, projection.version_id, ROWS_PER_ROUND)
        if not rows:
            return total
        _follow(projection, segment_ids)
        reach("index written")
        with transaction(projection.engine, write=True) as connection:
            mark_done(connection, rows)
        reach("outbox done")
        total += len(segment_ids)


def follow_since(projection: Projection, last_row: int) -> int:
    """For an index in memory, which must not mark rows done: apply every row after `last_row`, return the newest."""
    with transaction(projection.engine) as connection:
        newest, segment_ids = announced_since(connection, projection.version_id, last_row)
    _follow(projection, segment_ids)
    return newest


def catch_up(projection: Projection) -> int:
    """Make an index that was just opened hold what SQL wants: apply what a crash left in the outbox, and load it where
    it is new, was deleted by hand, or its loading was stopped halfway. Returns the newest outbox row it has seen."""
    with transaction(projection.engine) as connection:
        wanted = wanted_points.count(connection, projection.space_id)
        newest = newest_row(connection, projection.version_id)
    if projection.durable:
        relay(projection)
    if projection.index.count() < wanted:
        load_all(projection)
    return newest


def load_all(projection: Projection) -> int:
    """Put everything SQL wants into the index (an empty one, or one that lives in memory); returns the count."""
    total = 0
    with transaction(projection.engine) as connection:
        for page in wanted_points.all_points(connection, projection.space_id):
            _upsert(projection, page)
            total += len(page)
    return total


def differences(projection: Projection, check_vectors: bool = True) -> Differences:
    """Compare both ways, changing nothing."""
    held = dict(projection.index.scan())
    missing: list[UUID] = []
    stale: list[UUID] = []
    damaged: list[UUID] = []
    with transaction(projection.engine) as connection:
        waiting = pending_count(connection, projection.version_id)
        for page in wanted_points.all_points(connection, projection.space_id):
            there = [point for point in page if point.point_id in held]
            missing += [point.point_id for point in page if point.point_id not in held]
            stale += [point.point_id for point in there if _payload(point) != held[point.point_id].tolist()]
            damaged += _damaged(projection, there) if check_vectors else []
            for point in there:
                del held[point.point_id]
    return Differences(tuple(missing), tuple(held), tuple(stale), tuple(damaged), waiting)


def reconcile(projection: Projection, repair: bool) -> Differences:
    """Compare, and with `repair` make the index right and record what was found. Pending rows are relayed first."""
    if repair and projection.durable:
        relay(projection)
    found = differences(projection)
    if repair:
        wrong = [*found.stale, *found.damaged]
        projection.index.delete(
            [*found.orphan, *wrong]
        )  # the revision guard would keep a stale point of equal revision
        _upsert_points(projection, {*found.missing, *wrong})
        row = {"missing": len(found.missing), "orphan": len(found.orphan), "stale": len(found.stale)}
        with transaction(projection.engine, write=True) as connection:
            values = {"version_id": projection.version_id, "damaged": len(found.damaged), "repaired": True}
            connection.execute(insert(ReconcileRun).values(**row, **values))
    return found


def _follow(projection: Projection, segment_ids: Sequence[int]) -> None:
    with transaction(projection.engine) as connection:
        wanted = wanted_points.points_of(connection, projection.space_id, segment_ids)
        everyone = catalog.point_ids(connection, segment_ids)
    _upsert(projection, wanted)
    unwanted = set(everyone) - {point.point_id for point in wanted}
    if unwanted:
        projection.index.delete(sorted(unwanted))


def _upsert_points(projection: Projection, ids: set[UUID]) -> None:
    with transaction(projection.engine) as connection:
        for page in wanted_points.all_points(connection, projection.space_id):
            _upsert(projection, [point for point in page if point.point_id in ids])


def _upsert(projection: Projection, wanted: Sequence[WantedPoint]) -> None:
    if wanted:
        vectors = _archived(projection, wanted)
        payload = np.array([_payload(point) for point in wanted], dtype=np.int64)
        projection.index.upsert(Points([point.point_id for point in wanted], vectors, payload))


def _archived(projection: Projection, wanted: Sequence[WantedPoint]) -> NDArray[np.float32]:
    """(n, d) vectors of the points, read shard by shard."""
    vectors = np.empty((len(wanted), projection.index.dim), dtype=np.float32)
    by_shard: dict[str, list[int]] = {}
    for position, point in enumerate(wanted):
        by_shard.setdefault(point.shard, []).append(position)
    for shard, positions in by_shard.items():
        rows = np.array([wanted[position].row_no for position in positions], dtype=np.int64)
        checksums = np.array([wanted[position].crc32 for position in positions], dtype=np.int64)
        vectors[positions] = projection.archive.rows(shard, rows, checksums)
    return vectors


def _damaged(projection: Projection, points: Sequence[WantedPoint]) -> list[UUID]:
    if not points:
        return []
    try:
        truth: NDArray[Any] = _archived(projection, points)
    except StoreDamaged:  # the archive itself is hurt; `doctor` names the shard, the index cannot be judged
        return []
    held = projection.index.vectors([point.point_id for point in points])
    bad = []
    for point, vector in zip(points, truth, strict=True):
        stored = held.get(point.point_id)
        if stored is None or not float(1.0 - vector @ stored) <= TOLERANCE:
            bad.append(point.point_id)
    return bad


def _payload(point: WantedPoint) -> list[int]:
    named = {
        "cat": point.category_id, "img": point.image_id, "ds": point.dataset_id,
        "st": point.state, "rev": point.rev, "run": point.run_id,
    }  # fmt: skip
    return [named[key] for key in PAYLOAD]
