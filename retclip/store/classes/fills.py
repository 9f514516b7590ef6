"""A fill from the fallback data set: an addition to a class that a decision asked for.

A fill may be stopped and go on in another run; every run of it notes in its settings which decision it carries out, and
all speak under one event (`history.events.of_run`), which an undo takes back. Several processes may carry out the same
fill. It has ended when none of them holds a photo of it any more; then its decision names the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select, update

from retclip.names import name_key
from retclip.store.classes.class_matches import decisions, record
from retclip.store.history import events
from retclip.store.records import ClassMatch, FillRuns
from retclip.store.segments.categories import find_category
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import RETIRED, ClassMatchRow, Run, Segment, Unit
from retclip.store.states import Action, RunKind, UnitState
from retclip.store.work import leases

KIND = RunKind.CLASS_FILL


def note(match: ClassMatch) -> Mapping[str, Any]:
    """What a run of the fill says of itself."""
    return {events.FILL: _identity(match)}


def fill_runs(connection: Connection, match: ClassMatch) -> FillRuns:
    """The runs of a fill so far. Those of the same fill that was taken back count too: their segments are retired, and
    what is stored again belongs to the newer run."""
    rows = connection.execute(select(Run.id, Run.config).where(Run.kind == KIND).order_by(Run.id)).all()
    ids = tuple(number for number, config in rows if config.get(events.FILL) == _identity(match))
    alive = select(func.count()).select_from(Segment).where(Segment.run_id.in_(ids), Segment.status != RETIRED)
    segments = connection.execute(alive).scalar_one() if ids else 0
    told = events.of_fill(connection, _identity(match))
    return FillRuns(ids, segments, max(events.not_undone(connection, told), default=None))


def same_fill(one: ClassMatch, other: ClassMatch) -> bool:
    """Whether two decisions want the same photos stored under the same name."""
    return _identity(one) == _identity(other)


def filled_elsewhere(connection: Connection, match: ClassMatch) -> int:
    """How many photos of the fill another living process is working on."""
    held = select(Unit.key).where(Unit.run_id.in_(fill_runs(connection, match).ids), Unit.state == UnitState.LEASED)
    keys = list(connection.execute(held.where(Unit.owner != leases.me())).scalars())
    return len(set(keys) - leases.left_behind(connection, keys))


def finish_fill(connection: Connection, match: ClassMatch) -> int:
    """Note in the decision's row that its fill is complete; the number of its event. One that found nothing has an
    event all the same: it is not asked again. The fill must have had a run."""
    one_writer_at_a_time(connection)  # two processes must not both find that there is none
    runs = fill_runs(connection, match)
    event = runs.event
    if event is None:
        event = events.add(
            connection, f"run {runs.ids[-1]}", Action.FILL, match.query, find_category(connection, match.query)
        )
        connection.execute(update(Run).where(Run.id == runs.ids[-1]).values(event_id=event))
    ended = update(ClassMatchRow).where(ClassMatchRow.id == match.id)
    connection.execute(ended.values(run_id=runs.ids[-1], event_id=event))
    return event


def go_on(connection: Connection, fill: Mapping[str, str], reason: str) -> str | None:
    """Let a fill that has ended go on with the next one of its name: a newer row takes the place of its decision. fill:
    as its runs note it. Returns the name, None where no decision wants the fill any more."""
    newest = decisions(connection).newest.get(fill["query"])
    if newest is None or not newest.is_fill or _identity(newest) != fill:
        return None
    if newest.event is not None:
        told = "; ".join(one for one in (newest.reason, reason) if one)
        record(connection, replace(newest, run=None, event=None, reason=told))
    return newest.query


def _identity(match: ClassMatch) -> dict[str, str]:
    return {"query": match.key, "dataset": match.dataset, "matched": name_key(match.matched)}
