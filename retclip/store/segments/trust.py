"""The trust in labels as rows of SQL. `retclip.algorithms.label_trust` computes it, `retclip.workflows.audit` keeps it
up to date.

A row says for which revision of its segment it was computed. So what came, went, or got another label since then is
seen by comparing revisions, whichever command or undo did it. A segment that was rejected for its own label is no
member of its class, so it has no trust and gives none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, select
from sqlalchemy.orm import aliased

from retclip.store.history.rejections import not_of_own_class
from retclip.store.records.trust import JudgedLabel, TrustRow, TrustState
from retclip.store.sql.catalog import its_vector, joined, pages, rows_in, visible
from retclip.store.sql.tables import Category, Segment, SegmentFeature, SegmentTrust

RULE = 1  # of the computation, formula and settings; raised when either changes


def kept(connection: Connection, space_id: int) -> list[TrustRow]:
    """Read every row of a space that the present rule made."""
    columns = (
        SegmentTrust.segment_id, SegmentTrust.rev, SegmentTrust.category_id, SegmentTrust.trust,
        SegmentTrust.own_distance, SegmentTrust.other_distance, SegmentTrust.suggested_id,
    )  # fmt: skip
    query = select(*columns).where(_of(space_id)).order_by(SegmentTrust.segment_id)
    return [TrustRow(*row) for row in connection.execute(query)]


def keep(connection: Connection, space_id: int, rows: Sequence[TrustRow], gone: Iterable[int]) -> None:
    """Write rows in the place of earlier ones. A segment that was deleted meanwhile is passed over.

    gone: segments whose rows are deleted.
    """
    forgotten = sorted({row.segment for row in rows} | set(gone))
    for page in pages(forgotten):
        of_page = and_(SegmentTrust.segment_id.in_(page), SegmentTrust.space_id == space_id)
        connection.execute(delete(SegmentTrust).where(of_page))
    found = rows_in(connection, select(Segment.id), Segment.id, [row.segment for row in rows])
    there = {row.id for row in found}
    values = [
        {"segment_id": row.segment, "space_id": space_id, "rev": row.rev, "category_id": row.category, "rule": RULE,
         "trust": row.trust, "own_distance": row.own, "other_distance": row.other, "suggested_id": row.suggested}
        for row in rows if row.segment in there
    ]  # fmt: skip
    for some in pages(values):
        connection.execute(insert(SegmentTrust), list(some))


def state(connection: Connection, space_id: int) -> TrustState:
    """Compare the rows of a space with what is visible now."""
    with_vector = joined(select(Segment.id).select_from(Segment))
    with_vector = with_vector.join(SegmentFeature, its_vector(SegmentFeature, space_id)).where(visible())
    same = with_vector.join(SegmentTrust, and_(SegmentTrust.segment_id == Segment.id, _of(space_id)))
    rejected = not_of_own_class(connection)
    segments, judged = (
        _count(connection, query) - sum(1 for _ in rows_in(connection, query, Segment.id, rejected))
        for query in (with_vector, same.where(SegmentTrust.rev == Segment.rev))
    )
    rows = int(connection.execute(select(func.count()).select_from(SegmentTrust).where(_of(space_id))).scalar_one())
    return TrustState(segments, judged, rows - judged)


def values(connection: Connection, ids: Sequence[UUID], space_id: int) -> dict[UUID, float]:
    """Map those of the segments that have a trust of their present revision to it."""
    query = select(Segment.point_id, SegmentTrust.trust).join(
        SegmentTrust, and_(SegmentTrust.segment_id == Segment.id, SegmentTrust.rev == Segment.rev)
    )
    query = query.where(_of(space_id), SegmentTrust.trust.is_not(None))
    return {row[0]: row[1] for row in rows_in(connection, query, Segment.point_id, ids)}


def judged_labels(connection: Connection, space_id: int) -> list[JudgedLabel]:
    """List the visible members of classes with a row of their present revision, the least trusted first, then those
    without a trust."""
    suggested = aliased(Category)
    columns: tuple[Any, ...] = (
        Segment.point_id, Category.name, SegmentTrust.trust, SegmentTrust.own_distance, SegmentTrust.other_distance,
        suggested.name,
    )  # fmt: skip
    query = joined(select(*columns).select_from(Segment))
    query = query.join(SegmentTrust, and_(SegmentTrust.segment_id == Segment.id, SegmentTrust.rev == Segment.rev))
    query = query.outerjoin(suggested, suggested.id == SegmentTrust.suggested_id).where(_of(space_id), visible())
    rejected = rows_in(connection, select(Segment.point_id), Segment.id, not_of_own_class(connection))
    left_out = {row.point_id for row in rejected}
    labels = [JudgedLabel(*row) for row in connection.execute(query) if row[0] not in left_out]
    return sorted(labels, key=lambda label: (label.trust is None, label.trust or 0.0, label.id))


def _count(connection: Connection, query: Select[tuple[int]]) -> int:
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _of(space_id: int) -> ColumnElement[bool]:
    """Make the condition of rows of a space that the present rule made."""
    return and_(SegmentTrust.space_id == space_id, SegmentTrust.rule == RULE)
