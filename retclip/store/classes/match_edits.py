"""What people decide about class names: accept, reject, or map to another class of the store.

Each is a new row of `class_match`; where a fill from the fallback data set no longer counts, its segments go back by
the undo of its event.
"""

from __future__ import annotations

import difflib
from dataclasses import replace

from sqlalchemy import Connection

from retclip.errors import DataError, StoreBusy
from retclip.names import MatchKind, name_key
from retclip.store.classes.class_edits import has_segments
from retclip.store.classes.class_matches import decisions, record
from retclip.store.classes.fills import fill_runs, filled_elsewhere, finish_fill, same_fill
from retclip.store.classes.undo import undo
from retclip.store.records import ClassMatch, Edit
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.states import Decision


def accept(connection: Connection, query: str, actor: str, reason: str = "") -> ClassMatch:
    """Confirm the newest decision about a name, or take its rejection back; segments that a rejection took away come
    with the next fill. Raises DataError where there is none, or nothing was matched."""
    found = _matched(connection, query)
    gone = found.decision == Decision.REJECTED
    changed = replace(found, decision=Decision.ACCEPTED, decided_by=actor, reason=reason)
    record(connection, replace(changed, run=None, event=None) if gone else changed)
    return decisions(connection).newest[found.key]


def reject(connection: Connection, query: str, actor: str, reason: str = "") -> Edit:
    """The newest decision about a name does not count any more and is not proposed again. Raises DataError as `accept`,
    and where it was rejected already. The Edit's event is 0 where no segment had to go."""
    found = _matched(connection, query)
    if found.decision == Decision.REJECTED:
        raise DataError("a decision that holds", f"{query!r} was rejected already", "see `retclip fallback list`")
    record(connection, replace(found, decision=Decision.REJECTED, decided_by=actor, reason=reason))
    return take_back(connection, found, actor)


def map_to(connection: Connection, query: str, stored: str, threshold: float, actor: str, reason: str = "") -> Edit:
    """From now on the class `stored` stands for the name. Raises DataError where that is what the name is filled as."""
    earlier = decisions(connection).newest.get(name_key(query))
    if earlier is not None and earlier.is_fill and name_key(stored) == earlier.key:
        raise DataError(
            "another class of the store", f"{stored!r}, which was filled as that", "use `retclip fallback accept`"
        )
    decided = ClassMatch(
        query, stored, MatchKind.MAP, threshold, decision=Decision.ACCEPTED, decided_by=actor, reason=reason
    )
    record(connection, decided)
    return take_back(connection, earlier, actor)


def map_elsewhere(connection: Connection, new: ClassMatch) -> Edit:
    """From now on a class of the fallback data set stands for the name; its photos come with the fill that follows.
    Raises DataError where the store has segments of that name which no fill made."""
    earlier = decisions(connection).newest.get(new.key)
    record(connection, new)
    done = take_back(connection, earlier, new.decided_by)
    if has_segments(connection, new.query):
        todo = f"add to it: retclip class add {new.query!r} {new.source!r}; or remove it first"
        raise DataError("a name that the store has no segments of", f"{new.query!r}, which it has", todo)
    return done


def take_back(connection: Connection, earlier: ClassMatch | None, actor: str) -> Edit:
    """The segments of a fill that a newer decision has overruled go, also of one that was stopped in the middle. The
    Edit's event is 0 where there were none. Raises StoreBusy while another process works on the fill: what that stores
    later would stay."""
    if earlier is None or not earlier.is_fill:
        return Edit(0)
    one_writer_at_a_time(connection)
    if held := filled_elsewhere(connection, earlier):
        got = f"another process is storing {held} photos of it"
        raise StoreBusy(f"the fill of {earlier.query!r} to be over", got, "stop it or let it end, then repeat")
    event = earlier.event
    if event is None:
        event = fill_runs(connection, earlier).event
        if event is None:
            return Edit(0)
    return undo(connection, event, actor)


def end_fill(connection: Connection, match: ClassMatch) -> int | None:
    """Record the end of a fill, from the process that carried it out: the number of its event. None where another one
    still works on it, which ends it then. Where a newer decision has overruled it meanwhile, all goes back at once, and
    the answer is None, too."""
    one_writer_at_a_time(connection)
    if filled_elsewhere(connection, match):
        return None
    newest = decisions(connection).newest.get(match.key)
    if newest is not None and newest.is_fill and same_fill(newest, match):
        return finish_fill(connection, newest)
    runs = fill_runs(connection, match)
    if runs.event is not None:
        undo(connection, runs.event, f"run {runs.ids[-1]}")
    return None


def _matched(connection: Connection, query: str) -> ClassMatch:
    """The newest decision about a name, which names a class."""
    newest = decisions(connection).newest
    found = newest.get(name_key(query))
    if found is None:
        near = difflib.get_close_matches(query, [one.query for one in newest.values()], 3)
        hint = f"did you mean {near[0]!r}?" if near else f"decide first: retclip fallback fill --classes '{query}'"
        raise DataError("a name that was decided about (`retclip fallback list`)", repr(query), hint)
    if found.how is MatchKind.MISSING:
        nearest = f"; nearest was {found.matched!r}" if found.matched else ""
        todo = f"say which class stands for it: retclip fallback map '{query}' CLASS"
        raise DataError("a name that a class was matched with", f"{query!r}, which is missing{nearest}", todo)
    return found
