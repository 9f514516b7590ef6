"""Undo: one more event, without facts. The segments and classes of the undone event are settled by the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, select

from retclip.errors import DataError
from retclip.store.classes import class_matches
from retclip.store.crash_points import reach
from retclip.store.history import class_facts, events, segment_facts
from retclip.store.records import Edit
from retclip.store.sql.catalog import pages
from retclip.store.sql.tables import ClassFact, Event, SegmentFact, Unit
from retclip.store.states import Action, Decision
from retclip.store.work.outbox import announce_changes


def undo(connection: Connection, event_id: int, actor: str) -> Edit:
    """Undo an event; later facts about the same segments and classes stay.

    actor: who does it, for the event of the undo.
    Raises DataError for an unknown event, one that was undone already, and an undo itself.
    """
    events.require(connection, event_id)
    row = select(Event.action, Event.category_id).where(Event.id == event_id)
    event = connection.execute(row.with_for_update()).one()  # waits for a run that adds to it
    if event.action in events.NOT_UNDOABLE:
        kinds = ", ".join(action for action in Action if action not in events.NOT_UNDOABLE)
        raise DataError(f"an event of a kind that can be undone: {kinds}", event.action, "do it again by its command")
    if events.is_undone(connection, event_id):
        raise DataError("an event that still holds", f"{event_id} was undone already", "do it again by its own command")
    number = events.add(connection, actor, Action.UNDO, str(event_id), event.category_id, event_id)
    segments = select(SegmentFact.segment_id).where(SegmentFact.event_id == event_id).distinct()
    reach("undo added")
    changed = segment_facts.settle(connection, connection.execute(segments).scalars().all())
    classes = select(ClassFact.category_id).where(ClassFact.event_id == event_id).distinct()
    class_facts.settle(connection, connection.execute(classes).scalars().all())
    for page in pages(events.runs_of(connection, event_id)):  # their work is to be done again
        connection.execute(delete(Unit).where(Unit.run_id.in_(page)))
    _reject_fill(connection, event_id, actor)
    announce_changes(connection, changed)
    reach("undo announced")
    return Edit(number, len(changed))


def undo_all(connection: Connection, event_ids: Sequence[int], actor: str) -> tuple[int, ...]:
    """Undo events, the last of them first; returns the events that this adds. Raises as `undo`."""
    return tuple(undo(connection, event_id, actor).event for event_id in reversed(event_ids))


def _reject_fill(connection: Connection, event_id: int, actor: str) -> None:
    """Reject the decision whose fill was undone, so that the next fill does not fetch it again; unless somebody has
    decided otherwise already."""
    for newest in class_matches.decisions(connection).newest.values():
        if newest.holds and newest.event == event_id:
            rejected = replace(newest, decision=Decision.REJECTED, decided_by=actor, reason="the fill was undone")
            class_matches.record(connection, rejected)
