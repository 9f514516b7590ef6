"""What `class add` has stored: one event, which an undo takes back, however many runs it took.

A run of it notes in its settings which class it adds, so that one whose process died is found again: the next addition
of the class speaks under the same event, and a regression gate takes it back before it looks. A run behind a gate notes
that, too, until its class was judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from retclip.names import name_key
from retclip.store.classes.undo import undo
from retclip.store.history.events import CONTINUES, lock_unless_undone, not_undone
from retclip.store.segments.categories import find_categories
from retclip.store.sql.tables import Run, Unit
from retclip.store.states import RunKind, RunState
from retclip.store.work.leases import may_live, me

KIND = RunKind.CLASS_ADD
# In a run's settings: which class it adds; that this must still be judged; that it has ended.
ADDING, GATED, ENDED = "adding", "gated", "ended"


def note(connection: Connection, name: str, gated: bool = False) -> Mapping[str, Any]:
    """What a run of the addition says of itself before it begins: also what it goes on with, if there is something."""
    left = [run.event for run in _deserted(connection, name) if run.event is not None and not run.ended]
    return {ADDING: name_key(name), "owner": me(), GATED: gated, CONTINUES: max(left, default=None)}


def finish_addition(connection: Connection, name: str, run: int) -> int | None:
    """A run ends, and so do those that it went on with; the number of their event. An addition without a gate answers
    for what an earlier gate never judged. None where nothing was stored and nothing taken away."""
    config, own = connection.execute(select(Run.config, Run.event_id).where(Run.id == run)).one()
    event = next(
        (one for one in (own, config.get(CONTINUES)) if one is not None and lock_unless_undone(connection, one)), None
    )
    left = _deserted(connection, name)
    ended = [run, *(one.id for one in left if not one.ended and event is not None and one.event == event)]
    for number, noted in _configs(connection).items():
        if number in ended:
            connection.execute(update(Run).where(Run.id == number).values(config={**noted, ENDED: True}))
    if event is not None and own != event:
        connection.execute(update(Run).where(Run.id == run).values(event_id=event))
    if event is not None and not config[GATED]:
        _pass_gate(connection, [*ended, *(one.id for one in left if one.gated)])
    return event


def take_back_left(connection: Connection, name: str, actor: str) -> list[int]:
    """Undo what additions of a class left behind whose process died before they ended, or before their gate had judged;
    the numbers of their events. All in one transaction, so that a stop in the middle leaves nothing that looks
    finished."""
    left = [one for one in _deserted(connection, name) if one.gated or not one.ended]
    told = sorted({one.event for one in left if one.event is not None})
    for event in reversed(told):
        undo(connection, event, actor)
    return told


def judge(connection: Connection, event_ids: Sequence[int]) -> None:
    """What those events added stays: their gate has nothing more to say."""
    _pass_gate(connection, list(connection.execute(select(Run.id).where(Run.event_id.in_(event_ids))).scalars()))


def _pass_gate(connection: Connection, runs: Sequence[int]) -> None:
    for number, config in _configs(connection).items():
        if number in runs and config[GATED]:
            connection.execute(update(Run).where(Run.id == number).values(config={**config, GATED: False}))


def _configs(connection: Connection) -> dict[int, Mapping[str, Any]]:
    """The settings of every run that noted what it adds, by its number, oldest first."""
    rows = connection.execute(select(Run.id, Run.config).where(Run.kind == KIND).order_by(Run.id))
    return {number: config for number, config in rows if ADDING in config}


@dataclass(frozen=True)
class _Left:
    """A run that nobody works on any more.

    event: under which it speaks; None where that was taken back, or it has said nothing.
    gated: it is behind a gate that was never passed.
    ended: it came to its end.
    """

    id: int
    event: int | None
    gated: bool
    ended: bool


def _deserted(connection: Connection, name: str) -> list[_Left]:
    """Runs that add the class, by whatever name of it, and whose process is not at work on them."""
    configs, key = _configs(connection), name_key(name)
    numbers = find_categories(connection, [key, *{one[ADDING] for one in configs.values()}])
    mine = {key, *(one for one, number in numbers.items() if number == numbers.get(key))}
    told: dict[int, int | None] = dict(connection.execute(select(Run.id, Run.event_id).where(Run.kind == KIND)).all())
    holds = not_undone(connection, [event for event in told.values() if event is not None])
    return [
        _Left(number, told[number] if told[number] in holds else None, config[GATED], config.get(ENDED, False))
        for number, config in configs.items()
        if config[ADDING] in mine and not _at_work(connection, number, config["owner"])
    ]


def _at_work(connection: Connection, run: int, owner: str) -> bool:
    state, started = connection.execute(select(Run.state, Run.started_at).where(Run.id == run)).one()
    if owner == me():
        return bool(state == RunState.RUNNING)
    at, until = connection.execute(
        select(func.max(Unit.at), func.max(Unit.leased_until)).where(Unit.run_id == run)
    ).one()
    signs: list[datetime] = [one for one in (started, at, until) if one is not None]
    return may_live(owner, max(signs))
