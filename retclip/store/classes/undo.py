"""An event taken back: one more event, which says nothing itself. What the other facts leave is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, select

from retclip.errors import DataError
from retclip.store.classes import class_matches
from retclip.store.history import class_facts, events, segment_facts
from retclip.store.records import Edit
from retclip.store.sql.catalog import pages
from retclip.store.sql.tables import ClassFact, Event, SegmentFact, Unit
from retclip.store.states import Action, Decision
from retclip.store.work.outbox import announce_changes


def undo(connection: Connection, event_id: int, actor: str) -> Edit:
    """Take an event back; what later ones said of the same segments and classes stays. Raises DataError for an unknown
    event, one that was undone already, and an undo itself."""
    events.require(connection, event_id)
    mine = select(Event.action, Event.category_id).where(Event.id == event_id)
    event = connection.execute(mine.with_for_update()).one()  # a run that is speaking under it is waited for
    if event.action in events.NOT_UNDOABLE:
        kinds = ", ".join(one for one in Action if one not in events.NOT_UNDOABLE)
        raise DataError(f"an event of a kind that can be undone: {kinds}", event.action, "do it again by its command")
    if events.is_undone(connection, event_id):
        raise DataError("an event that still holds", f"{event_id} was undone already", "do it again by its own command")
    number = events.add(connection, actor, Action.UNDO, str(event_id), event.category_id, event_id)
    segments = select(SegmentFact.segment_id).where(SegmentFact.event_id == event_id).distinct()
    changed = segment_facts.settle(connection, connection.execute(segments).scalars().all())
    classes = select(ClassFact.category_id).where(ClassFact.event_id == event_id).distinct()
    class_facts.settle(connection, connection.execute(classes).scalars().all())
    for page in pages(events.runs_of(connection, event_id)):  # what they did is to do again
        connection.execute(delete(Unit).where(Unit.run_id.in_(page)))
    _reject_fill(connection, event_id, actor)
    announce_changes(connection, changed)
    return Edit(number, len(changed))


def undo_all(connection: Connection, event_ids: Sequence[int], actor: str) -> tuple[int, ...]:
    """Take events back, the last of them first; the numbers of the events that this makes. Raises as `undo`."""
    return tuple(undo(connection, one, actor).event for one in reversed(event_ids))


def _reject_fill(connection: Connection, event_id: int, actor: str) -> None:
    """The decision whose fill was undone is rejected, so that the next fill does not fetch it again; unless somebody
    decided otherwise already."""
    for newest in class_matches.decisions(connection).newest.values():
        if newest.holds and newest.event == event_id:
            gone = replace(newest, decision=Decision.REJECTED, decided_by=actor, reason="the fill was undone")
            class_matches.record(connection, gone)
