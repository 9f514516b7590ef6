"""Comparing an index with SQL and the archive, both ways, and making it right. A check changes nothing."""

from __future__ import annotations

import logging
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
from retclip.store.index.followed import FollowedNote
from retclip.store.index.sync import Projection, archived, payload_of
from retclip.store.index.wanted_points import WantedPoint
from retclip.store.sql import catalog
from retclip.store.sql.engine import read, write
from retclip.store.sql.tables import ReconcileRun
from retclip.store.work import ledger
from retclip.store.work.outbox import done_since, newest_row, pending_count

# How far a component of an index may be from the archive's. Both are rounded to float16 (11 bits), the index's after
# the vector was brought to length 1: one step of the last bit, relative, and the smallest float16 where it is nearly 0.
# Two such vectors are at most 5e-7 apart in cosine distance; a flipped bit above the last one is seen.
STEP, SMALLEST = 2.0**-10, 2.0**-24
log = logging.getLogger(__name__)


def catch_up(projection: Projection) -> int:
    """Bring an index that was just opened up to date; returns the newest outbox row it has seen.

    What a crash left in the outbox is applied. If another engine followed last, its rows are marked done, so the index
    is compared whole; so is one that followed another catalog than this one, see `followed`. A new one, one deleted by
    hand, and one whose loading was stopped halfway is loaded.
    """
    engine, version = projection.engine, projection.version_id
    newest = read(engine, partial(newest_row, version_id=version))
    home = read(engine, partial(ledger.home_of, version_id=version))
    if projection.durable:
        if projection.note is not None:
            _follow_note(projection, projection.note)
        sync.relay(projection)
        if home not in (None, projection.home):
            reconcile(projection, repair=True)
        if home != projection.home:
            write(engine, partial(ledger.set_home, version_id=version, home=projection.home))
    if lacks_points(projection):
        sync.load_all(projection)
    if projection.note is not None and not projection.note.path.exists():
        projection.note.write(newest)
    projection.index.keep_up()
    return newest


def _follow_note(projection: Projection, note: FollowedNote) -> None:
    """Let an index follow what was done since its note, if it is an earlier copy; compare it whole, and make it right,
    if it followed another catalog, as far as is known."""
    if (row := note.row()) is not None:
        newest, segment_ids = read(
            projection.engine, partial(done_since, version_id=projection.version_id, last_row=row)
        )
        if newest > row:
            sync.follow(projection, segment_ids)
            note.write(newest)
        return
    note.forget()
    if projection.index.count() and not (found := reconcile(projection, repair=True)).clean:
        wrong = sum(map(len, (found.missing, found.orphan, found.stale, found.damaged, found.unfindable)))
        log.warning(
            "the vector index had followed another state of the catalog, one from before it was restored, say: it was "
            "compared with catalog and archive, and %d of its vectors were made right", wrong,
        )  # fmt: skip


def lacks_points(projection: Projection) -> bool:
    """Tell whether an index holds fewer points than it should."""
    wanted = read(projection.engine, partial(wanted_points.count, space_id=projection.space_id))
    return projection.index.count() < wanted


def differences(projection: Projection, check_vectors: bool = True) -> Differences:
    """Compare an index with SQL and the archive, both ways; changes nothing.

    check_vectors: compare the vectors, too, not only the integers beside them.
    Raises StoreDamaged for an index that contradicts itself.
    """
    held = dict(projection.index.scan())
    if (counted := projection.index.count()) != len(held):
        got = f"{counted}, and {len(held)} that can be read"
        raise StoreDamaged("an index that counts its points", got, "`retclip doctor --store DIR --repair`")
    missing: list[UUID] = []
    stale: list[UUID] = []
    damaged: list[UUID] = []
    expected: dict[tuple[int, int], set[UUID]] = {}
    waiting = read(projection.engine, partial(pending_count, version_id=projection.version_id))
    for page in wanted_points.all_points(projection.engine, projection.space_id):
        present = [point for point in page if point.point_id in held]
        missing += [point.point_id for point in page if point.point_id not in held]
        stale += [point.point_id for point in present if payload_of(point) != held[point.point_id].tolist()]
        damaged += _damaged(projection, present) if check_vectors else []
        for point in present:
            del held[point.point_id]
            expected.setdefault((point.category_id, point.state), set()).add(point.point_id)
    unfindable = _unfindable(projection, expected, {*missing, *stale, *held})
    return Differences(tuple(missing), tuple(held), tuple(stale), tuple(damaged), tuple(unfindable), waiting)


def reconcile(projection: Projection, repair: bool) -> Differences:
    """Compare an index with SQL and the archive, and repair it; returns the differences.

    A difference says only where to look: a builder may have changed the segment since. So the truth is read again.

    repair: relay pending rows first, make the index right, record the differences; False: only compare.
    Raises StoreDamaged for an index that contradicts itself.
    """
    newest = read(projection.engine, partial(newest_row, version_id=projection.version_id))
    if repair and projection.durable:
        if projection.note is not None:
            projection.note.forget()
        sync.relay(projection)
    difference = differences(projection)
    if repair:
        wrong = [*difference.stale, *difference.damaged, *difference.unfindable]
        points = [*difference.missing, *wrong, *difference.orphan]
        segment_ids = read(projection.engine, partial(catalog.segment_ids, ids=points))
        projection.index.delete([*difference.orphan, *wrong])  # the guard would keep a stale point of equal revision
        sync.follow(projection, segment_ids)
        row = {"missing": len(difference.missing), "orphan": len(difference.orphan), "stale": len(difference.stale)}
        values = {
            "version_id": projection.version_id,
            "damaged": len(difference.damaged) + len(difference.unfindable),
            "repaired": True,
        }
        noted = insert(ReconcileRun).values(**row, **values)
        write(projection.engine, lambda connection: connection.execute(noted))
        if projection.note is not None:
            projection.note.write(newest)
    return difference


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


def _unfindable(
    projection: Projection, expected: Mapping[tuple[int, int], set[UUID]], differing: Set[UUID]
) -> list[UUID]:
    """List the points that the filters of a search take for another class or state than they have. A filter is answered
    from other data than the payload.

    expected: point ids by class and state.
    differing: points that differ in themselves, and are reported as such.
    """
    wrong: set[UUID] = set()
    for (category, state), points in expected.items():
        wrong |= points ^ set(projection.index.filtered(category, state))
    return sorted(wrong - differing)
