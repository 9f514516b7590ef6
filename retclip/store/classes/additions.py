"""Additions of a class by `class add`: one event, which an undo takes back, however many runs it took.

A run of it notes in its settings the class that it adds, so that one whose process died is found again: the next
addition of the class adds to the same event, and a regression test undoes it before it starts. A run that a regression
test has to judge notes that, too, until it is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from retclip.names import name_key
from retclip.store.classes.undo import undo
from retclip.store.history.events import AGAINST, CONTINUES, lock_unless_undone, not_undone
from retclip.store.segments.categories import find_categories
from retclip.store.sql.tables import Run, Unit
from retclip.store.states import RunKind, RunState
from retclip.store.work.leases import may_live, me

KIND = RunKind.CLASS_ADD
# In a run's settings: the class that it adds; that a regression test must still judge it; that it has ended.
ADDING, GATED, ENDED = "adding", "gated", "ended"


def note(connection: Connection, name: str, gated: bool = False, against: bool = False) -> Mapping[str, Any]:
    """Make the settings of a new run of the addition, with the event of deserted runs that it continues.

    name: of the class.
    gated: a regression test judges the class afterwards.
    against: its segments are negative examples of the class.
    """
    events = [run.event for run in _deserted(connection, name, against) if run.event is not None and not run.ended]
    settings = {ADDING: name_key(name), "owner": me(), GATED: gated, CONTINUES: max(events, default=None)}
    return {**settings, AGAINST: True} if against else settings


def finish_addition(connection: Connection, run: int) -> int | None:
    """End a run and the deserted runs that it continued; returns the number of their event, None if there are no facts.

    An addition without a regression test also counts as the judgement of earlier runs that were never judged.
    """
    config, current = connection.execute(select(Run.config, Run.event_id).where(Run.id == run)).one()
    candidates = (number for number in (current, config.get(CONTINUES)) if number is not None)
    event = next((number for number in candidates if lock_unless_undone(connection, number)), None)
    ended, judged = {run}, set[int]()
    if event is not None:
        deserted = _deserted(connection, config[ADDING], config.get(AGAINST, False))
        ended |= {earlier.id for earlier in deserted if not earlier.ended and earlier.event == event}
        if not config[GATED]:
            judged = ended | {earlier.id for earlier in deserted if earlier.gated}
        if current != event:
            connection.execute(update(Run).where(Run.id == run).values(event_id=event))
    _mark(connection, ended, judged)
    return event


def undo_deserted(connection: Connection, name: str, actor: str) -> list[int]:
    """Undo the additions of a class whose process died before they ended or were judged; returns their events.

    All are undone in one transaction, so that a stop in the middle leaves nothing that looks finished.
    """
    runs = [run for run in _deserted(connection, name) if run.gated or not run.ended]
    event_ids = sorted({run.event for run in runs if run.event is not None})
    for event in reversed(event_ids):
        undo(connection, event, actor)
    return event_ids


def judge(connection: Connection, event_ids: Sequence[int]) -> None:
    """Mark the additions of those events as judged: they stay."""
    runs = connection.execute(select(Run.id).where(Run.event_id.in_(event_ids))).scalars()
    _mark(connection, ended=set(), judged=set(runs))


def _mark(connection: Connection, ended: Set[int], judged: Set[int]) -> None:
    """Note in the settings of additions that their runs have ended, or that their class was judged."""
    for run in _addition_runs(connection):
        marks = ({ENDED: True} if run.id in ended else {}) | ({GATED: False} if run.id in judged else {})
        settings = {**run.config, **marks}
        if settings != run.config:
            connection.execute(update(Run).where(Run.id == run.id).values(config=settings))


def _addition_runs(connection: Connection) -> list[Any]:
    """Read every run that noted the class it adds, oldest first."""
    columns = (Run.id, Run.config, Run.event_id, Run.state, Run.started_at)
    rows = connection.execute(select(*columns).where(Run.kind == KIND).order_by(Run.id))
    return [row for row in rows if ADDING in row.config]


@dataclass(frozen=True)
class _DesertedRun:
    """A run that no process works on any more.

    event: that it adds to; None if it was undone, or the run has no facts.
    gated: a regression test must still judge it.
    ended: it came to its end.
    """

    id: int
    event: int | None
    gated: bool
    ended: bool


def _deserted(connection: Connection, name: str, against: bool = False) -> list[_DesertedRun]:
    """List the runs that add a class, by any of its names, and that no process works on.

    against: those that add negative examples of it.
    """
    runs, key = [run for run in _addition_runs(connection) if run.config.get(AGAINST, False) == against], name_key(name)
    categories = find_categories(connection, [key, *{run.config[ADDING] for run in runs}])
    keys = {key, *(alias for alias, category in categories.items() if category == categories.get(key))}
    runs = [run for run in runs if run.config[ADDING] in keys and not _at_work(connection, run)]
    standing = not_undone(connection, [run.event_id for run in runs if run.event_id is not None])
    return [
        _DesertedRun(
            run.id, run.event_id if run.event_id in standing else None, run.config[GATED], run.config.get(ENDED, False)
        )
        for run in runs
    ]


def _at_work(connection: Connection, run: Any) -> bool:
    owner = run.config["owner"]
    if owner == me():
        return bool(run.state == RunState.RUNNING)
    at, until = connection.execute(
        select(func.max(Unit.at), func.max(Unit.leased_until)).where(Unit.run_id == run.id)
    ).one()
    heartbeats: list[datetime] = [moment for moment in (run.started_at, at, until) if moment is not None]
    return may_live(owner, max(heartbeats))
