"""Comparing an index with SQL and the archive, both ways, and making it right. A check changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from retclip.errors import StoreDamaged
from retclip.store.findings import Differences
from retclip.store.index import sync, wanted_points
from retclip.store.index.sync import Projection, archived, payload_of
from retclip.store.index.wanted_points import WantedPoint
from retclip.store.sql import catalog
from retclip.store.sql.engine import read, write
from retclip.store.sql.tables import ReconcileRun
from retclip.store.work import ledger
from retclip.store.work.outbox import newest_row, pending_count

# How far a component of an index may be from the archive's. Both are rounded to float16 (11 bits), the index's after
# the vector was brought to length 1: one step of the last bit, relative, and the smallest float16 where it is nearly 0.
# Two such vectors are at most 5e-7 apart in cosine distance; a flipped bit above the last one is seen.
STEP, SMALLEST = 2.0**-10, 2.0**-24


def catch_up(projection: Projection) -> int:
    """Make an index that was just opened hold what SQL wants: apply what a crash left in the outbox; compare it whole
    where another engine followed last, for the rows that one did are done; and load it where it is new, was deleted by
    hand, or its loading was stopped halfway. Returns the newest outbox row it has seen."""
    engine, version = projection.engine, projection.version_id
    newest = read(engine, partial(newest_row, version_id=version))
    home = read(engine, partial(ledger.home_of, version_id=version))
    if projection.durable:
        sync.relay(projection)
        if home not in (None, projection.home):
            reconcile(projection, repair=True)
        if home != projection.home:
            write(engine, partial(ledger.set_home, version_id=version, home=projection.home))
    if projection.index.count() < read(engine, partial(wanted_points.count, space_id=projection.space_id)):
        sync.load_all(projection)
    projection.index.keep_up()
    return newest


def differences(projection: Projection, check_vectors: bool = True) -> Differences:
    """Compare both ways, changing nothing. Raises StoreDamaged for an index that contradicts itself."""
    held = dict(projection.index.scan())
    if (counted := projection.index.count()) != len(held):
        got = f"{counted}, and {len(held)} that can be read"
        raise StoreDamaged("an index that counts its points", got, "`retclip doctor --store DIR --repair`")
    missing: list[UUID] = []
    stale: list[UUID] = []
    damaged: list[UUID] = []
    wanted: dict[tuple[int, int], set[UUID]] = {}
    waiting = read(projection.engine, partial(pending_count, version_id=projection.version_id))
    for page in wanted_points.all_points(projection.engine, projection.space_id):
        there = [point for point in page if point.point_id in held]
        missing += [point.point_id for point in page if point.point_id not in held]
        stale += [point.point_id for point in there if payload_of(point) != held[point.point_id].tolist()]
        damaged += _damaged(projection, there) if check_vectors else []
        for point in there:
            del held[point.point_id]
            wanted.setdefault((point.category_id, point.state), set()).add(point.point_id)
    unfindable = _unfindable(projection, wanted, {*missing, *stale, *held})
    return Differences(tuple(missing), tuple(held), tuple(stale), tuple(damaged), tuple(unfindable), waiting)


def reconcile(projection: Projection, repair: bool) -> Differences:
    """Compare, and with `repair` make the index right and record what was found. Pending rows are relayed first.

    What was found is only where to look: a builder may have changed it since. So the truth is read again for each.
    """
    if repair and projection.durable:
        sync.relay(projection)
    found = differences(projection)
    if repair:
        wrong = [*found.stale, *found.damaged, *found.unfindable]
        points = [*found.missing, *wrong, *found.orphan]
        segment_ids = read(projection.engine, partial(catalog.segment_ids, ids=points))
        projection.index.delete([*found.orphan, *wrong])  # the guard would keep a stale point of equal revision
        sync.follow(projection, segment_ids)
        row = {"missing": len(found.missing), "orphan": len(found.orphan), "stale": len(found.stale)}
        values = {
            "version_id": projection.version_id,
            "damaged": len(found.damaged) + len(found.unfindable),
            "repaired": True,
        }
        noted = insert(ReconcileRun).values(**row, **values)
        write(projection.engine, lambda connection: connection.execute(noted))
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
        if stored is None or not np.allclose(stored, vector, rtol=STEP, atol=SMALLEST):
            bad.append(point.point_id)
    return bad


def _unfindable(projection: Projection, wanted: Mapping[tuple[int, int], set[UUID]], known: Set[UUID]) -> list[UUID]:
    """Points that the filters of a search take for another class or state than they have. What answers a filter is
    other data than the payload that is read. known: what differs in itself."""
    wrong: set[UUID] = set()
    for (category, state), points in wanted.items():
        wrong |= points ^ set(projection.index.filtered(category, state))
    return sorted(wrong - known)
