"""The trust in a label beside other columns of a segment: in lists, details and filters."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import aliased

from retclip.store.records.trust import DOUBTFUL
from retclip.store.segments.trust import RULE
from retclip.store.sql.tables import Category, Segment, SegmentTrust, Space


def first_space() -> Select[Any]:
    """Select the first space in which trust was computed; None where it was in none."""
    computed = select(SegmentTrust.segment_id).where(SegmentTrust.space_id == Space.id, SegmentTrust.rule == RULE)
    return select(func.min(Space.id)).where(computed.exists())


def with_trust(query: Select[Any]) -> Select[Any]:
    """Add `trust` and `suggested` to a query of segments: in the first space with trust, at the present revision; the
    suggested class where it is nearer than the segment's own. NULL where nothing was computed."""
    its_trust = and_(
        SegmentTrust.segment_id == Segment.id, SegmentTrust.rev == Segment.rev, SegmentTrust.rule == RULE,
        SegmentTrust.space_id == first_space().scalar_subquery(),
    )  # fmt: skip
    suggested = aliased(Category)
    nearer = and_(suggested.id == SegmentTrust.suggested_id, SegmentTrust.trust < DOUBTFUL)
    query = query.outerjoin(SegmentTrust, its_trust).outerjoin(suggested, nearer)
    return query.add_columns(SegmentTrust.trust, suggested.name.label("suggested"))
