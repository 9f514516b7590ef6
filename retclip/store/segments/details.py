"""Everything that is known of one segment: its record, slot, photo, feature spaces, and the facts about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from retclip.store.history import events
from retclip.store.records import SegmentDetails, SegmentFactRecord
from retclip.store.segments.filtering import state_of
from retclip.store.segments.trust_columns import with_trust
from retclip.store.sql.catalog import its_vector, joined, stored_segments
from retclip.store.sql.tables import Category, Event, ImageCredit, ImageRow, Segment, SegmentFact, SegmentFeature, Space
from retclip.types import PhotoCredit


def details(connection: Connection, point_id: UUID) -> SegmentDetails | None:
    """Read a segment, whatever its state; None for an unknown one."""
    columns: tuple[Any, ...] = (
        Segment.id, Segment.ordinal, Segment.mask_no, Segment.status, ImageRow.state, Category.retired_at,
        ImageRow.external_id, ImageRow.height, ImageRow.width, ImageCredit.author, ImageCredit.licence,
        ImageCredit.address,
    )  # fmt: skip
    query = joined(select(*columns).select_from(Segment)).outerjoin(
        ImageCredit, ImageCredit.image_id == Segment.image_id
    )
    row = connection.execute(with_trust(query).where(Segment.point_id == point_id)).one_or_none()
    if row is None:
        return None
    return SegmentDetails(
        stored=stored_segments(connection, [point_id])[point_id],
        state=state_of(row.status, row.state, row.retired_at), image=row.external_id,
        image_size=(row.height, row.width),
        credit=PhotoCredit(row.author or "", row.licence or "", row.address or ""), ordinal=row.ordinal,
        mask=row.mask_no, spaces=_spaces(connection, row.id), facts=_facts(connection, row.id),
        trust=row.trust, suggested=row.suggested or "",
    )  # fmt: skip


def _spaces(connection: Connection, segment: int) -> tuple[str, ...]:
    query = select(Space.backbone).select_from(Segment).join(Space, Space.id > 0)
    query = query.join(SegmentFeature, its_vector(SegmentFeature, Space.id))
    return tuple(connection.execute(query.where(Segment.id == segment).order_by(Space.id)).scalars())


def _facts(connection: Connection, segment: int) -> tuple[SegmentFactRecord, ...]:
    names = {row.id: row.name for row in connection.execute(select(Category.id, Category.name))}
    own = (column for column in SegmentFact.__table__.c if column.name != "seal")
    columns = (*own, Event.at, Event.actor, Event.action, Event.target, events.UNDO.id.label("undo"))
    query = events.facts(SegmentFact, SegmentFact.segment_id, columns).where(SegmentFact.segment_id == segment)
    return tuple(
        SegmentFactRecord(
            row.event_id, row.at, row.actor, row.action, row.target, row.undo,
            None if row.category_id is None else names[row.category_id], row.label_source, row.confidence, row.run_id,
            row.mask_no, row.score, row.present, row.hidden,
        )
        for row in connection.execute(query)
    )  # fmt: skip
