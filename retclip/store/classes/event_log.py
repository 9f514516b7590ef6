"""The log of events under a filter, and of corrections what they moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from retclip.errors import DataError
from retclip.store.history import events, segment_facts
from retclip.store.records import EventFilter, EventLog, HistoryEvent, SegmentMove
from retclip.store.segments.filtering import class_rows, rows_of_ids, run_rows
from retclip.store.sql.catalog import pages
from retclip.store.sql.chain_links import newest_link
from retclip.store.sql.tables import NORMAL, RETIRED, Category, ClassFact, Event, Run, Segment, SegmentFact
from retclip.store.states import Action, SegmentStatus

CORRECTIONS = (Action.RELABEL, Action.QUARANTINE, Action.RELEASE, Action.RETIRE)


def log(connection: Connection, chosen: EventFilter) -> EventLog:
    """List the events that a filter selects, oldest first. Raises DataError for an unknown class, segment or run."""
    query = events.every_event().where(*_conditions(connection, chosen))
    if chosen.limit is not None:  # of the newest
        numbers = query.with_only_columns(Event.id).order_by(None).order_by(Event.id.desc()).limit(chosen.limit)
        query = events.every_event().where(Event.id.in_(list(connection.execute(numbers).scalars())))
    names = {row[0]: row[1] for row in connection.execute(select(Category.id, Category.name))}
    described = (_with_moves(connection, event, names) for event in events.described(connection, query))
    return EventLog(tuple(described), *newest_link(connection))


def _conditions(connection: Connection, chosen: EventFilter) -> Iterator[ColumnElement[bool]]:
    if chosen.actions:
        yield Event.action.in_(chosen.actions)
    if chosen.actor is not None:
        yield Event.actor == chosen.actor
    if chosen.classes:
        yield _of_classes(class_rows(connection, chosen.classes))
    if chosen.segment is not None:
        row = rows_of_ids(connection, [chosen.segment]).get(chosen.segment)
        if row is None:
            raise DataError("the id of a stored segment", str(chosen.segment), "see `retclip store search`")
        touching = select(SegmentFact.event_id).where(SegmentFact.segment_id == row)
        yield or_(Event.id.in_(touching), Event.undoes.in_(touching))
    if chosen.run is not None:
        (run,) = run_rows(connection, [chosen.run])
        yield Event.id.in_(select(Run.event_id).where(Run.id == run, Run.event_id.is_not(None)))
    if chosen.since is not None:
        yield Event.at >= chosen.since
    if chosen.until is not None:
        yield Event.at <= chosen.until
    if chosen.undone is not None:
        yield events.UNDO.id.is_not(None) if chosen.undone else events.UNDO.id.is_(None)


def _of_classes(rows: list[int]) -> ColumnElement[bool]:
    """Make the condition of events about classes, or about segments that they called so or that are called so now."""
    of_class = select(ClassFact.event_id).where(
        or_(ClassFact.category_id.in_(rows), ClassFact.merged_into_id.in_(rows))
    )
    current = select(Segment.id).where(Segment.category_id.in_(rows))
    of_segment = select(SegmentFact.event_id).where(
        or_(SegmentFact.category_id.in_(rows), SegmentFact.segment_id.in_(current))
    )
    about = select(Event.id).where(or_(Event.category_id.in_(rows), Event.id.in_(of_class), Event.id.in_(of_segment)))
    return or_(Event.id.in_(about), Event.undoes.in_(about))


def _with_moves(connection: Connection, event: HistoryEvent, names: dict[int, str]) -> HistoryEvent:
    """Add to a correction what its segments were before and after it; other events stay as they are."""
    if event.action not in CORRECTIONS:
        return event
    touched = select(SegmentFact.segment_id).where(SegmentFact.event_id == event.id).distinct()
    counted = Counter[tuple[Any, Any]]()
    for page in pages(sorted(connection.execute(touched).scalars()), segment_facts.PAGE):
        was = dict(segment_facts.values_of(connection, page, event.id - 1))
        for segment, values in segment_facts.values_of(connection, page, event.id):
            counted[_state(was[segment], names), _state(values, names)] += 1
    moves = (SegmentMove(before, after, count) for (before, after), count in counted.most_common())
    return replace(event, moves=tuple(moves))


def _state(values: segment_facts.SegmentValues, names: dict[int, str]) -> tuple[str, SegmentStatus]:
    if values.status == RETIRED:
        return names[values.category_id], SegmentStatus.RETIRED
    return names[values.category_id], SegmentStatus.VISIBLE if values.status == NORMAL else SegmentStatus.QUARANTINED
