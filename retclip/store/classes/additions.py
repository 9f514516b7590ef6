"""What `class add` has stored, and its end: one event, which an undo takes back.

A run of it notes in its settings which class it adds and what the class was before, so that one whose process died
before the event is found again: the next addition of the class takes its runs over, and a regression gate takes them
back before it looks. A run behind a gate notes that, too, until its class was judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from retclip.names import name_key
from retclip.store.classes import events
from retclip.store.classes.class_edits import packed
from retclip.store.classes.undo import UNDO, class_as_before, runs_of, undo
from retclip.store.segments.categories import find_categories, find_category
from retclip.store.sql.tables import Category, Event, ReplacedSegment, Run, Segment, Unit
from retclip.store.states import RunKind, RunState
from retclip.store.work.leases import may_live, me

KIND, ACTION = RunKind.CLASS_ADD, "class.add"  # of runs, of events
ADDING, GATED = "adding", "gated"  # in a run's settings: which class it adds; that this must still be judged


def class_before(connection: Connection, name: str) -> dict[str, Any]:
    """What an undo of an addition needs to know of the class: whether the catalog knows it, removed or not; if so,
    whether it counts, and when it was removed."""
    number = find_category(connection, name)
    if number is None:
        return {"known": False}
    row = connection.execute(select(Category.is_thing, Category.retired_at).where(Category.id == number)).one()
    return {"known": True, "is_thing": row[0], "retired_at": row[1].isoformat() if row[1] else None}


def note(connection: Connection, name: str, gated: bool = False) -> Mapping[str, Any]:
    """What a run of the addition says of itself before it begins."""
    before = class_before(connection, name)
    return {ADDING: name_key(name), "before": before, "owner": me(), GATED: gated}


def noted_before(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a run noted of its class; older ones noted only whether it was known."""
    return config.get("before") or {"known": config.get("known", False)}


def record_addition(
    connection: Connection, name: str, before: Mapping[str, Any], after: Mapping[str, Any], action: str = ACTION
) -> int:
    """The event of `class add`, or of another walk that adds to a class. before: `class_before`; after: with its run,
    or all its runs. The event names the segments that are theirs now; an undo gives those among them back that were
    there before (`replaced_segments`), and retires the others."""
    number = find_category(connection, name)
    made = connection.execute(select(Segment.id).where(Segment.run_id.in_(runs_of(after)))).scalars()
    told = {**after, "category": number, "made": packed(list(made))}
    return events.record(connection, f"run {after['run']}", action, name, before, told)


def finish_addition(connection: Connection, name: str, run: int, told: Mapping[str, Any]) -> int | None:
    """The event of a run that ends, and of the runs of the class that ended without one. told: what the event says
    beside the runs. An addition without a gate answers for what an earlier gate never judged. None where the runs
    stored nothing and took nothing away: there is nothing to undo, and the class is what it was before them."""
    config = _configs(connection)[run]
    earlier = {number: one for number, one in _unfinished(connection, name).items() if number != run}
    runs = [*earlier, run]
    if not _left_a_trace(connection, runs):
        _forget(connection, name, runs, noted_before(earlier.get(runs[0], config)))
        return None
    after = {"run": run, **told, **({"runs": runs} if earlier else {})}
    event = record_addition(connection, name, noted_before(earlier.get(runs[0], config)), after)
    if not config[GATED]:
        _pass_gate(connection, [*runs, *(number for number, _ in _unjudged(connection, name))])
    return event


def _left_a_trace(connection: Connection, runs: Sequence[int]) -> bool:
    """Whether a segment is theirs, or was another run's before them."""
    made = select(Segment.id).where(Segment.run_id.in_(runs)).limit(1)
    touched = select(ReplacedSegment.id).where(ReplacedSegment.run_id.in_(runs)).limit(1)
    return any(connection.execute(query).first() is not None for query in (made, touched))


def _forget(connection: Connection, name: str, runs: Sequence[int], before: Mapping[str, Any]) -> None:
    """Runs that came to nothing add to no class: no later addition answers for them. A class that their search alone
    had made, or brought back, goes."""
    for number, config in _configs(connection).items():
        if number in runs:
            mine = {key: value for key, value in config.items() if key != ADDING}
            connection.execute(update(Run).where(Run.id == number).values(config=mine))
    category = find_category(connection, name)
    if category is not None:
        class_as_before(connection, category, before, before)


def take_back_left(connection: Connection, name: str, actor: str) -> list[int]:
    """Undo what additions of a class left behind whose process died before they ended, or before their gate had judged;
    the numbers of their events. Runs that had none get one first. All in one transaction, so that a stop in the middle
    leaves nothing that looks finished."""
    told = {event: None for _, event in _unjudged(connection, name)}
    if found := _unfinished(connection, name):
        runs = list(found)
        after = {"run": runs[-1], "runs": runs}
        told[record_addition(connection, name, noted_before(found[runs[0]]), after)] = None
    for event in sorted(told, reverse=True):
        undo(connection, event, actor)
    return sorted(told)


def judge(connection: Connection, event_ids: Sequence[int]) -> None:
    """What those events added stays: their gate has nothing more to say."""
    rows = connection.execute(select(Event.after["run"], Event.after["runs"]).where(Event.id.in_(event_ids)))
    _pass_gate(connection, [run for last, runs in rows for run in (runs or [last])])


def _pass_gate(connection: Connection, runs: Sequence[int]) -> None:
    for number, config in _configs(connection).items():
        if number in runs and config[GATED]:
            connection.execute(update(Run).where(Run.id == number).values(config={**config, GATED: False}))


def _configs(connection: Connection) -> dict[int, Mapping[str, Any]]:
    """The settings of every run that noted what it adds, by its number, oldest first."""
    rows = connection.execute(select(Run.id, Run.config).where(Run.kind == KIND).order_by(Run.id))
    return {number: config for number, config in rows if ADDING in config}


def _deserted(connection: Connection, name: str) -> dict[int, Mapping[str, Any]]:
    """Runs that add the class, by whatever name of it, and whose process is not at work on them."""
    configs, key = _configs(connection), name_key(name)
    numbers = find_categories(connection, [key, *{one[ADDING] for one in configs.values()}])
    mine = {key, *(one for one, number in numbers.items() if number == numbers.get(key))}
    return {
        number: config
        for number, config in configs.items()
        if config[ADDING] in mine and not _at_work(connection, number, config["owner"])
    }


def _at_work(connection: Connection, run: int, owner: str) -> bool:
    state, started = connection.execute(select(Run.state, Run.started_at).where(Run.id == run)).one()
    if owner == me():
        return bool(state == RunState.RUNNING)
    at, until = connection.execute(
        select(func.max(Unit.at), func.max(Unit.leased_until)).where(Unit.run_id == run)
    ).one()
    signs: list[datetime] = [one for one in (started, at, until) if one is not None]
    return may_live(owner, max(signs))


def _told(connection: Connection) -> dict[int, int]:
    """The event of every run that has one."""
    rows = connection.execute(select(Event.id, Event.after["run"], Event.after["runs"]).where(Event.action == ACTION))
    return {run: event for event, last, runs in rows for run in (runs or [last])}


def _unfinished(connection: Connection, name: str) -> dict[int, Mapping[str, Any]]:
    """Deserted runs without an event."""
    deserted = _deserted(connection, name)
    told = _told(connection) if deserted else {}
    return {number: config for number, config in deserted.items() if number not in told}


def _unjudged(connection: Connection, name: str) -> list[tuple[int, int]]:
    """(run, event) of deserted runs behind a gate that was never passed, where the event still holds."""
    gated = [number for number, config in _deserted(connection, name).items() if config[GATED]]
    if not gated:
        return []
    told = _told(connection)
    undone = set(connection.execute(select(Event.target).where(Event.action == UNDO)).scalars())
    return [(number, told[number]) for number in gated if number in told and str(told[number]) not in undone]
