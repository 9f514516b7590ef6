"""Events played backwards: each kind of edit has its way back, and that is an event of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, true, update

from retclip.errors import DataError
from retclip.names import name_key
from retclip.store.classes import class_matches, events
from retclip.store.classes.class_edits import LEFT, is_alive, relabel, set_status, still_so, unpacked
from retclip.store.records import Edit
from retclip.store.segments.replaced_segments import give_back
from retclip.store.sql.columns import now
from retclip.store.sql.tables import RETIRED, Category, CategoryAlias, Event, Segment, Unit
from retclip.store.states import Decision
from retclip.store.work.ledger import live_versions
from retclip.store.work.outbox import announce

Values = Mapping[str, Any]
UNDO = "undo"
ADDITIONS = ("class.add", "class.fill")
NUMBER = "event"  # in what a way back is told of the event: its own number


def runs_of(after: Values) -> Sequence[int]:
    """The runs that an addition's event answers for. after: what the event says."""
    runs: Sequence[int] = after.get("runs", [after["run"]])
    return runs


def undo(connection: Connection, event_id: int, actor: str) -> Edit:
    """Take an event back; what later ones made of the same segments stays. Raises DataError for an unknown event, one
    that was undone already, one that cannot be, or where a later change of the class stands in the way."""
    columns = (Event.action, Event.before, Event.after)
    event = connection.execute(select(*columns).where(Event.id == event_id)).one_or_none()
    if event is None:
        raise DataError("the number of an event", f"{event_id}", "look it up with `retclip class history`")
    again = select(func.count()).select_from(Event).where(Event.action == UNDO, Event.target == str(event_id))
    if connection.execute(again).scalar_one():
        raise DataError("an event that still holds", f"{event_id} was undone already", "do it again by its own command")
    way_back = WAYS_BACK.get(event.action)
    if way_back is None:
        raise DataError(
            f"an event of a kind that can be undone: {', '.join(WAYS_BACK)}", event.action, "choose another"
        )
    changed = way_back(connection, event.before, {**event.after, NUMBER: event_id}, actor)
    after = {"action": event.action, "segments": len(changed), "category": event.after.get("category")}
    number = events.record(connection, actor, UNDO, str(event_id), {}, after)
    announce(connection, live_versions(connection), changed)
    return Edit(number, len(changed))


def undo_all(connection: Connection, event_ids: Sequence[int], actor: str) -> tuple[int, ...]:
    """Take events back, the last of them first; the numbers of the events that this makes. Raises as `undo`."""
    return tuple(undo(connection, one, actor).event for one in reversed(event_ids))


def _rename(connection: Connection, before: Values, after: Values, actor: str) -> Sequence[int]:  # noqa: ARG001
    mine = Category.id == before["category"]
    if connection.execute(select(Category.name).where(mine)).scalar_one_or_none() != after["name"]:
        raise _changed(f"a class named {after['name']!r}")
    gone = (CategoryAlias.category_id == before["category"], CategoryAlias.alias_key == name_key(before["name"]))
    connection.execute(delete(CategoryAlias).where(*gone))
    connection.execute(update(Category).where(mine).values(name=before["name"], name_key=name_key(before["name"])))
    if before["was_alias"]:
        values = {"alias": after["name"], "alias_key": name_key(after["name"]), "source": "person"}
        connection.execute(insert(CategoryAlias).values(category_id=before["category"], **values))
    return ()


def _alias(connection: Connection, before: Values, after: Values, actor: str) -> Sequence[int]:  # noqa: ARG001
    mine = (CategoryAlias.category_id == after["category"], CategoryAlias.alias_key == name_key(after["alias"]))
    if not connection.execute(delete(CategoryAlias).where(*mine)).rowcount:
        raise _changed(f"the alias {after['alias']!r}")
    return ()


def _merge(connection: Connection, before: Values, after: Values, actor: str) -> Sequence[int]:
    mine = (Category.id == before["category"], Category.merged_into_id == after["category"])
    if not connection.execute(update(Category).where(*mine).values(merged_into_id=None)).rowcount:
        raise _changed(f"{before['name']!r} merged into {after['name']!r}")
    still = still_so(connection, unpacked(before["segments"]), Segment.category_id == after["category"])
    relabel(connection, still, before["category"], actor)
    return still


def _remove(connection: Connection, before: Values, after: Values, actor: str) -> Sequence[int]:  # noqa: ARG001
    """What it retired lives again, but for what an addition had made that was undone since; a class that was there
    because of such an addition alone stays removed."""
    mine = update(Category).where(Category.id == before["category"])
    undone = _undone_additions(connection, before["category"])
    runs = [run for _, several in undone for run in several]
    changed = _revived(connection, before, Segment.run_id.not_in(runs))
    theirs = any(not first["known"] or first.get("retired_at") for first, _ in undone)
    gone = theirs and not is_alive(connection, before["category"])
    connection.execute(mine.values(retired_at=now() if gone else None))
    return changed


def _undone_additions(connection: Connection, category: int) -> list[tuple[Values, Sequence[int]]]:
    """(what the class was before, its runs) of each addition to the class that does not hold any more."""
    undone = {int(one) for one in connection.execute(select(Event.target).where(Event.action == UNDO)).scalars()}
    query = select(Event.id, Event.before, Event.after).where(Event.action.in_(ADDITIONS))
    rows = connection.execute(query.where(Event.after["category"].as_integer() == category))
    return [(before, runs_of(after)) for number, before, after in rows if number in undone]


def _add(connection: Connection, before: Values, after: Values, actor: str) -> Sequence[int]:  # noqa: ARG001
    """What the runs replaced or found no more is back as it was, what they made anew is retired, and the class is what
    it was before. retired: of an event from before `replaced_segment`."""
    if "made" not in after:
        raise DataError("an event that names its segments", "one of an older version", "use `retclip class remove`")
    runs = runs_of(after)
    ids = give_back(connection, runs)
    mine = (Segment.run_id.in_(runs), Segment.status != RETIRED)
    made = still_so(connection, unpacked(after["made"]), and_(*mine))
    set_status(connection, made, RETIRED)
    revived = _revived(connection, after.get("retired", {}))
    connection.execute(delete(Unit).where(Unit.run_id.in_(runs)))
    class_as_before(connection, after["category"], before, _first_before(connection, after, before))
    return list(dict.fromkeys([*ids, *made, *revived]))


def class_as_before(connection: Connection, category: int, before: Values, first: Values) -> None:
    """A class that was not there, or removed, is so again, unless it has segments of others. before: the class before
    the addition that goes; first: before the earliest of those that went together with it."""
    mine = update(Category).where(Category.id == category)
    if before["known"] and before.get("is_thing", False) is None:
        connection.execute(mine.values(is_thing=None))  # nobody had said whether it counts
    if is_alive(connection, category):
        return
    retired_at = first.get("retired_at")
    if not first["known"] or retired_at:
        moment = datetime.fromisoformat(retired_at) if retired_at else now()
        connection.execute(mine.values(retired_at=moment))


def _first_before(connection: Connection, after: Values, before: Values) -> Values:
    """What the class was before the additions that were undone out of turn: where an earlier one was undone since this
    one, the class was there because of it alone."""
    undone = select(Event.target, Event.id).where(Event.action == UNDO)
    when = {row[0]: row[1] for row in connection.execute(undone)}
    query = select(Event.id, Event.before).where(Event.action.in_(ADDITIONS), Event.id < after[NUMBER])
    query = query.where(Event.after["category"].as_integer() == after["category"])
    last, found = after[NUMBER], before
    for number, earlier in connection.execute(query.order_by(Event.id.desc())):
        if str(number) not in when:
            break
        if when[str(number)] > last:
            last, found = number, earlier
    return found


def _fill(connection: Connection, before: Values, after: Values, actor: str) -> Sequence[int]:
    """The segments go as after `class add`; unless the decision was changed already, it is rejected, so that the next
    fill does not fetch them again."""
    ids = _add(connection, before, after, actor)
    newest = class_matches.decisions(connection).newest.get(name_key(after["query"]))
    if newest is not None and newest.holds and newest.run == after["run"]:
        gone = replace(newest, decision=Decision.REJECTED, decided_by=actor, reason="the fill was undone")
        class_matches.record(connection, gone)
    return ids


def _revived(connection: Connection, values: Values, also: ColumnElement[bool] = true()) -> list[int]:
    """The segments that an event retired, where they still are and that condition holds, as they were."""
    changed: list[int] = []
    for key, status in LEFT.items():
        still = still_so(connection, unpacked(values.get(key, "")), and_(Segment.status == RETIRED, also))
        set_status(connection, still, status)
        changed += still
    return changed


def _changed(expected: str) -> DataError:
    return DataError(expected, "it was changed since", "undo the later events first, newest before oldest")


WAYS_BACK: Mapping[str, Callable[[Connection, Values, Values, str], Sequence[int]]] = {
    "class.rename": _rename,
    "class.alias": _alias,
    "class.merge": _merge,
    "class.remove": _remove,
    "class.add": _add,
    "class.fill": _fill,
}
