"""Comparing an index with SQL and the archive, both ways, and making it right. A check changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from numpy.typing import NDArray
from sqlalchemy import insert

from retclip.errors import StoreDamaged
from retclip.store import catalog, ledger, sync, wanted_points
from retclip.store.engine import transaction
from retclip.store.outbox import newest_row, pending_count
from retclip.store.sync import Projection, archived, payload_of
from retclip.store.wanted_points import WantedPoint
from retclip.store.work_tables import ReconcileRun

TOLERANCE = 1e-3  # cosine distance between archive and index beyond which a vector is damaged: float16 gives 1e-6


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


def catch_up(projection: Projection) -> int:
    """Make an index that was just opened hold what SQL wants: apply what a crash left in the outbox; compare it whole
    where another engine followed last, for the rows that one did are done; and load it where it is new, was deleted by
    hand, or its loading was stopped halfway. Returns the newest outbox row it has seen."""
    with transaction(projection.engine) as connection:
        newest = newest_row(connection, projection.version_id)
        home = ledger.home_of(connection, projection.version_id)
    if projection.durable:
        sync.relay(projection)
        if home not in (None, projection.home):
            reconcile(projection, repair=True)
        if home != projection.home:
            with transaction(projection.engine, write=True) as connection:
                ledger.set_home(connection, projection.version_id, projection.home)
    with transaction(projection.engine) as connection:
        wanted = wanted_points.count(connection, projection.space_id)
    if projection.index.count() < wanted:
        sync.load_all(projection)
    projection.index.keep_up()
    return newest


def differences(projection: Projection, check_vectors: bool = True) -> Differences:
    """Compare both ways, changing nothing."""
    held = dict(projection.index.scan())
    missing: list[UUID] = []
    stale: list[UUID] = []
    damaged: list[UUID] = []
    with transaction(projection.engine) as connection:
        waiting = pending_count(connection, projection.version_id)
    for page in wanted_points.all_points(projection.engine, projection.space_id):
        there = [point for point in page if point.point_id in held]
        missing += [point.point_id for point in page if point.point_id not in held]
        stale += [point.point_id for point in there if payload_of(point) != held[point.point_id].tolist()]
        damaged += _damaged(projection, there) if check_vectors else []
        for point in there:
            del held[point.point_id]
    return Differences(tuple(missing), tuple(held), tuple(stale), tuple(damaged), waiting)


def reconcile(projection: Projection, repair: bool) -> Differences:
    """Compare, and with `repair` make the index right and record what was found. Pending rows are relayed first.

    What was found is only where to look: a builder may have changed it since. So the truth is read again for each.
    """
    if repair and projection.durable:
        sync.relay(projection)
    found = differences(projection)
    if repair:
        wrong = [*found.stale, *found.damaged]
        with transaction(projection.engine) as connection:
            segment_ids = catalog.segment_ids(connection, [*found.missing, *wrong, *found.orphan])
        projection.index.delete([*found.orphan, *wrong])  # the guard would keep a stale point of equal revision
        sync.follow(projection, segment_ids)
        row = {"missing": len(found.missing), "orphan": len(found.orphan), "stale": len(found.stale)}
        with transaction(projection.engine, write=True) as connection:
            values = {"version_id": projection.version_id, "damaged": len(found.damaged), "repaired": True}
            connection.execute(insert(ReconcileRun).values(**row, **values))
    return found


def _damaged(projection: Projection, points: Sequence[WantedPoint]) -> list[UUID]:
    if not points:
        return []
    try:
        truth: NDArray[Any] = archived(projection, points)
    except StoreDamaged:  # the archive itself is hurt; `doctor` names the shard, the index cannot be judged
        return []
    held = projection.index.vectors([point.point_id for point in points])
    bad = []
    for point, vector in zip(points, truth, strict=True):
        stored = held.get(point.point_id)
        if stored is None or not float(1.0 - vector @ stored) <= TOLERANCE:
            bad.append(point.point_id)
    return bad
