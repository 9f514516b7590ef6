"""The segments nearest to a vector under a filter: exact, in pages.

Class, image, data set, run and state stand beside the vectors as integers, so the index is searched under them. What
stands in SQL alone (score, moment, label source, trust, ids) is answered in one of two ways:

1. few segments pass the filter: their vectors are read from the archive and all are compared;
2. else the index is asked for more and more of its nearest, and SQL says which of them pass.

Distances are those of the archive's vectors in float64; the index only says which may be near. With e the index's
rounding, a page is complete once its last entry lies nearer than the index's last answer less e: whatever the index
has not named lies at least so far. Every hit is looked up in SQL, whatever the index said of it. Retired segments have
no point in an index and are always compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, func, select

from retclip.kinds import checked_limit
from retclip.store.archive.vector_rows import PLACE, with_place
from retclip.store.index.sync import Projection
from retclip.store.records import FoundPage, SegmentFilter
from retclip.store.segments import filtering
from retclip.store.segments.cursors import cursor_after, place_of
from retclip.store.sql.catalog import joined, pages, rows_in
from retclip.store.sql.engine import read
from retclip.store.sql.tables import Segment
from retclip.store.states import SegmentStatus

FEW = 4096  # segments that are compared one by one rather than searched for
SPARE = 16  # asked of the index beyond a page, because its order is rounded
WIDER = 4  # times as many, at least, are asked for in the next step
MOST = 1 << 15  # are asked of an index; beyond, all that pass the filter are compared
EXACT_POINTS = 20_000_000  # an index of more is walked instead of scanned (E: 40 ms for each 200,000 of 768 numbers)
DIGITS = 7  # of a distance behind the point: the same for the same vectors, whatever was read beside them
SEARCH = "search"  # the first word of the question behind a page
IN_PAYLOAD = {SegmentStatus.VISIBLE: 0, SegmentStatus.QUARANTINED: 1}


@dataclass(frozen=True, eq=False)
class VectorQuestion:
    """A question for the nearest segments.

    vector: (d,) float32 of unit length.
    words: what was asked, for the cursor.
    chosen: the filter.
    limit: segments of a page.
    without: segments that are left out.
    """

    vector: NDArray[np.float32]
    words: tuple[str, ...]
    chosen: SegmentFilter
    limit: int
    without: tuple[UUID, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """The question in words."""
        return (SEARCH, *self.words, self.chosen.spelled(), *map(str, self.without))


@dataclass
class Ranking:
    """The segments that pass, by distance and row; those up to the page before are left out.

    after: distance and row of the last entry of the page before.
    """

    after: tuple[float, int]
    entries: dict[int, tuple[float, int, UUID]] = field(default_factory=dict)

    def add(self, rows: Sequence[Any], distances: NDArray[np.float64]) -> None:
        """Take segments in. rows: with id and point_id."""
        for row, distance in zip(rows, distances.tolist(), strict=True):
            if (distance, row.id) > self.after:
                self.entries[row.id] = (distance, row.id, row.point_id)

    def keep(self, count: int) -> None:
        """Forget all but the nearest, where many came."""
        if len(self.entries) > 4 * count + FEW:
            self.entries = {entry[1]: entry for entry in self.nearest(count)}

    def nearest(self, count: int) -> list[tuple[float, int, UUID]]:
        """List the nearest."""
        return sorted(self.entries.values(), key=lambda entry: entry[:2])[:count]


def nearest_page(projection: Projection, question: VectorQuestion, after: str | None = None) -> FoundPage:
    """Find a page of the nearest segments that pass a filter.

    after: the cursor of the page before, None for the first.
    Raises ConfigError for a limit or a cursor that cannot be, DataError for names that the store does not have,
    StoreDamaged.
    """
    checked_limit(question.limit)
    place = (-1.0, 0, 0) if after is None else place_of(after, question.asked, 3)
    distance, row, seen = float(place[0]), int(place[1]), max(0, int(place[2]))
    ranking, exact = Ranking((distance, row)), True
    retired, living = _split(question.chosen)
    if living is not None:
        exact = _search_living(projection, replace(question, chosen=living), ranking, seen)
    if retired is not None:
        _compare_all(projection, replace(question, chosen=retired), ranking)
    found = ranking.nearest(question.limit + 1)
    entries = found[: question.limit]
    following = None
    if len(found) > question.limit:
        following = cursor_after(question.asked, [entries[-1][0], entries[-1][1], seen + len(entries)])
    return FoundPage(tuple(one[2] for one in entries), tuple(one[0] for one in entries), following, exact)


def _split(chosen: SegmentFilter) -> tuple[SegmentFilter | None, SegmentFilter | None]:
    """Split a filter into its part of retired segments and that of the others, None for an empty part."""
    states = tuple(SegmentStatus) if chosen.any_state else chosen.states
    others = tuple(state for state in states if state != SegmentStatus.RETIRED)
    retired = replace(chosen, states=(SegmentStatus.RETIRED,)) if SegmentStatus.RETIRED in states else None
    return retired, replace(chosen, states=others) if others else None


def _search_living(projection: Projection, question: VectorQuestion, ranking: Ranking, seen: int) -> bool:
    """Rank the segments that have a point; returns whether the answer is proven to be complete."""
    chosen = question.chosen
    where, clauses, is_few = read(projection.engine, partial(_prepared, chosen=chosen))
    if is_few:
        _compare_all(projection, question, ranking)
        return True
    points = projection.index.count()
    exact, k = points <= EXACT_POINTS, seen + question.limit + 1 + SPARE
    query, asked, known = torch.from_numpy(question.vector)[None], question.limit + 1, set(question.without)
    while k <= MOST:
        hits = projection.index.search_where(query, min(k, max(1, points)), where, exact)
        ids = [one for one in hits.ids[0] if one is not None]
        new = [one for one in ids if one not in known]
        known.update(new)
        _compare(projection, question, ranking, clauses, new)
        best = ranking.nearest(asked)
        if len(ids) < k or (len(best) == asked and best[-1][0] < hits.distances[0, k - 1] - projection.index.rounding):
            return exact
        short = 2 * asked // max(1, len(best))  # times as many, where so few of these passed
        k = MOST if k < MOST < k * max(WIDER, short) else k * max(WIDER, short)
    _compare_all(projection, question, ranking)
    return True


def _prepared(
    connection: Connection, chosen: SegmentFilter
) -> tuple[dict[str, list[int]], list[ColumnElement[bool]], bool]:
    """Translate a filter for the index and for SQL, and tell whether few segments pass what the index cannot filter."""
    clauses = filtering.conditions(connection, chosen)
    where: dict[str, list[int]] = {"st": [IN_PAYLOAD[state] for state in chosen.states]}
    if chosen.classes:
        where["cat"] = filtering.class_rows(connection, chosen.classes)
    if chosen.datasets:
        where["ds"] = filtering.dataset_rows(connection, chosen.datasets)
    if chosen.images:
        where["img"] = filtering.image_rows(connection, chosen.images)
    if chosen.runs:
        where["run"] = filtering.run_rows(connection, chosen.runs)
    return where, clauses, chosen.ids is not None or (_in_sql_alone(chosen) and _is_few(connection, clauses))


def _in_sql_alone(chosen: SegmentFilter) -> bool:
    """Tell whether a filter asks for something that does not stand beside the vectors."""
    bounds = (chosen.min_score, chosen.max_score, chosen.since, chosen.until, chosen.min_trust, chosen.max_trust)
    return bool(chosen.label_sources) or any(bound is not None for bound in bounds)


def _is_few(connection: Connection, clauses: Sequence[ColumnElement[bool]]) -> bool:
    some = joined(select(Segment.id).select_from(Segment)).where(*clauses).limit(FEW + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one()) <= FEW


def _compare(
    projection: Projection, question: VectorQuestion, ranking: Ranking, clauses: Sequence[ColumnElement[bool]],
    ids: Sequence[UUID],
) -> None:  # fmt: skip
    """Rank those of the segments that pass."""
    query = _places(projection.space_id).where(*clauses)
    rows = read(projection.engine, lambda connection: list(rows_in(connection, query, Segment.point_id, ids)))
    ranking.add(rows, _distances(projection, question.vector, rows))


def _compare_all(projection: Projection, question: VectorQuestion, ranking: Ranking) -> None:
    """Rank every segment that passes, by its vector in the archive."""
    for rows in _passing(projection, question.chosen):
        kept = [row for row in rows if row.point_id not in question.without]
        ranking.add(kept, _distances(projection, question.vector, kept))
        ranking.keep(question.limit + 1)


def _passing(projection: Projection, chosen: SegmentFilter) -> Iterator[list[Any]]:
    """Read the segments that pass with the places of their vectors, a page in a transaction."""
    if chosen.ids is not None:
        every = read(projection.engine, partial(filtering.selected_rows, chosen=chosen))
        for page in pages(every):
            query = _places(projection.space_id).where(Segment.id.in_(page))
            yield read(projection.engine, partial(_all, query=query))
        return
    clauses, last = read(projection.engine, partial(filtering.conditions, chosen=chosen)), 0
    while True:
        query = _places(projection.space_id).where(*clauses, Segment.id > last).order_by(Segment.id).limit(FEW)
        rows = read(projection.engine, partial(_all, query=query))
        if not rows:
            return
        yield rows
        last = rows[-1].id


def _places(space_id: int) -> Select[Any]:
    return with_place(joined(select(Segment.id, Segment.point_id, *PLACE).select_from(Segment)), space_id)


def _all(connection: Connection, query: Select[Any]) -> list[Any]:
    return list(connection.execute(query))


def _distances(projection: Projection, vector: NDArray[np.float32], rows: Sequence[Any]) -> NDArray[np.float64]:
    vectors = projection.archive.vectors(rows, projection.index.dim)
    cosines = vectors.astype(np.float64) @ vector.astype(np.float64)
    return np.asarray(np.round(np.clip(1.0 - cosines, 0.0, 2.0), DIGITS), dtype=np.float64)
