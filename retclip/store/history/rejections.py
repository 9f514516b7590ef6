"""Facts that a segment is not of a class: the negative examples of classes.

Of each segment and class the newest fact holds whose event is not undone; an undo reads what is left. A segment counts
against a class while it is visible itself. Against a class that was merged into another it counts for that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from retclip.store.history import events
from retclip.store.sql.catalog import joined, merged_into, rows_in, visible
from retclip.store.sql.chain_links import add_linked
from retclip.store.sql.tables import Event, RejectionFact, Segment, SegmentFact


@dataclass(frozen=True)
class Rejection:
    """A visible segment that is not of a class.

    segment: its row; category: the row of the class; label: that of the segment's own class.
    """

    segment: int
    point_id: UUID
    category: int
    label: int


def add_rejections(
    connection: Connection, event: int, segments: Sequence[int], category: int, holds: bool = True
) -> None:
    """Add the fact that segments are not of a class, or are no longer said not to be."""
    rows = [{"segment_id": segment, "category_id": category, "holds": holds} for segment in segments]
    add_linked(connection, "rejection_facts", event, rows)


def rejections(connection: Connection, categories: Sequence[int] | None = None) -> list[Rejection]:
    """List the rejections that hold, by segment. categories: rows of classes; None = against all."""
    asked = None if categories is None else set(categories)
    holding = {pair for pair, holds in words(connection).items() if holds and (asked is None or pair[1] in asked)}
    columns: tuple[Any, ...] = (Segment.id, Segment.point_id, Segment.category_id)
    shown = joined(select(*columns)).where(visible())
    there = {row.id: row for row in rows_in(connection, shown, Segment.id, sorted({pair[0] for pair in holding}))}
    return [
        Rejection(segment, there[segment].point_id, category, there[segment].category_id)
        for segment, category in sorted(holding)
        if segment in there
    ]


def words(connection: Connection) -> dict[tuple[int, int], bool]:
    """Map segments and classes, by their rows, to the newest word that holds: whether the one is not of the other."""
    query = (
        select(RejectionFact.segment_id, RejectionFact.category_id, RejectionFact.holds)
        .outerjoin(events.UNDO, events.UNDO.undoes == RejectionFact.event_id)
        .where(events.UNDO.id.is_(None))
        .order_by(RejectionFact.id)
    )
    newest = {(row.segment_id, row.category_id): row.holds for row in connection.execute(query)}
    merged, said = merged_into(connection), dict[tuple[int, int], bool]()
    for (segment, category), holds in newest.items():
        pair = segment, merged.get(category, category)
        said[pair] = holds or said.get(pair, False)
    return said


def not_of_own_class(connection: Connection) -> list[int]:
    """List the rows of the visible segments that were rejected for their own label: no members of their class."""
    return [known.segment for known in rejections(connection) if known.category == known.label]


def state(connection: Connection) -> tuple[int, int, int]:
    """Read what changes whenever a rejection might hold that did not, or the other way round."""
    newest: tuple[Any, ...] = tuple(
        select(func.coalesce(func.max(table.id), 0)).scalar_subquery() for table in (Event, SegmentFact, RejectionFact)
    )
    first, second, third = connection.execute(select(*newest)).one()
    return int(first), int(second), int(third)
