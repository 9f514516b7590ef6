"""Decisions of people about class names: accept, reject, or map to another class.

Each is a new row of `class_match`. If a fill from the fallback data set no longer counts, its event is undone.
"""

from __future__ import annotations

import difflib
from dataclasses import replace

from sqlalchemy import Connection

from retclip.errors import DataError, StoreBusy
from retclip.names import MatchKind, name_key
from retclip.store.classes.class_edits import has_segments
from retclip.store.classes.class_matches import decisions, record
from retclip.store.classes.fills import count_held_photos, fill_runs, finish_fill, same_fill
from retclip.store.classes.undo import undo
from retclip.store.records import ClassMatch, Edit
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.states import Decision


def accept(connection: Connection, query: str, actor: str, reason: str = "") -> ClassMatch:
    """Confirm the newest decision about a name, or revoke its rejection; the next fill stores the segments again that a
    rejection removed. Raises DataError without a decision, and for one without a class."""
    match = _matched(connection, query)
    rejected = match.decision == Decision.REJECTED
    changed = replace(match, decision=Decision.ACCEPTED, decided_by=actor, reason=reason)
    record(connection, replace(changed, run=None, event=None) if rejected else changed)
    return decisions(connection).newest[match.key]


def reject(connection: Connection, query: str, actor: str, reason: str = "") -> Edit:
    """Reject the newest decision about a name, which is not proposed again; returns event 0 if no fill was undone.
    Raises DataError as `accept`, and for a decision that is rejected already."""
    match = _matched(connection, query)
    if match.decision == Decision.REJECTED:
        raise DataError("a decision that holds", f"{query!r} was rejected already", "see `retclip fallback list`")
    record(connection, replace(match, decision=Decision.REJECTED, decided_by=actor, reason=reason))
    return undo_fill(connection, match, actor)


def map_to(connection: Connection, query: str, stored: str, threshold: float, actor: str, reason: str = "") -> Edit:
    """Let a class of the store stand for a name; returns event 0 if no fill was undone.

    stored: the class's name.
    threshold: cosine in [-1, 1] that was in force, for the record.
    actor: who decides.
    Raises DataError for the class that the name itself was filled as.
    """
    earlier = decisions(connection).newest.get(name_key(query))
    if earlier is not None and earlier.is_fill and name_key(stored) == earlier.key:
        raise DataError(
            "another class of the store", f"{stored!r}, which was filled as that", "use `retclip fallback accept`"
        )
    decided = ClassMatch(
        query, stored, MatchKind.MAP, threshold, decision=Decision.ACCEPTED, decided_by=actor, reason=reason
    )
    record(connection, decided)
    return undo_fill(connection, earlier, actor)


def map_to_fallback(connection: Connection, new: ClassMatch) -> Edit:
    """Let a class of the fallback data set stand for a name; its photos come with the fill that follows. Raises
    DataError if the store has segments of that name which no fill made."""
    earlier = decisions(connection).newest.get(new.key)
    record(connection, new)
    edit = undo_fill(connection, earlier, new.decided_by)
    if has_segments(connection, new.query):
        todo = f"add to it: retclip class add {new.query!r} {new.source!r}; or remove it first"
        raise DataError("a name that the store has no segments of", f"{new.query!r}, which it has", todo)
    return edit


def undo_fill(connection: Connection, earlier: ClassMatch | None, actor: str) -> Edit:
    """Undo a fill that a newer decision has overruled, also one that was stopped in the middle; returns event 0 if
    there was none. Raises StoreBusy while another process works on the fill: its later segments would stay."""
    if earlier is None or not earlier.is_fill:
        return Edit(0)
    one_writer_at_a_time(connection)
    if held := count_held_photos(connection, earlier):
        got = f"another process is storing {held} photos of it"
        raise StoreBusy(f"the fill of {earlier.query!r} to be over", got, "stop it or let it end, then repeat")
    event = earlier.event
    if event is None:
        event = fill_runs(connection, earlier).event
        if event is None:
            return Edit(0)
    return undo(connection, event, actor)


def end_fill(connection: Connection, match: ClassMatch) -> int | None:
    """End a fill in the process that carried it out; returns the number of its event.

    None if another process still works on the fill, and ends it then; None, too, if a newer decision has overruled it
    meanwhile: then it is undone at once.
    """
    one_writer_at_a_time(connection)
    if count_held_photos(connection, match):
        return None
    newest = decisions(connection).newest.get(match.key)
    if newest is not None and newest.is_fill and same_fill(newest, match):
        return finish_fill(connection, newest)
    runs = fill_runs(connection, match)
    if runs.event is not None:
        undo(connection, runs.event, f"run {runs.ids[-1]}")
    return None


def _matched(connection: Connection, query: str) -> ClassMatch:
    """Find the newest decision about a name, which names a class. Raises DataError."""
    newest = decisions(connection).newest
    match = newest.get(name_key(query))
    if match is None:
        near = difflib.get_close_matches(query, [decision.query for decision in newest.values()], 3)
        hint = f"did you mean {near[0]!r}?" if near else f"decide first: retclip fallback fill --classes '{query}'"
        raise DataError("a name that was decided about (`retclip fallback list`)", repr(query), hint)
    if match.how is MatchKind.MISSING:
        nearest = f"; nearest was {match.matched!r}" if match.matched else ""
        todo = f"say which class stands for it: retclip fallback map '{query}' CLASS"
        raise DataError("a name that a class was matched with", f"{query!r}, which is missing{nearest}", todo)
    return match
