"""What a fill from the fallback data set has stored so far, and its end: one event, which an undo takes back.

A fill may be stopped and go on in another run; every run of it notes in its settings which decision it carries out.
Several processes may carry out the same fill. It has ended when none of them holds a photo of it any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select, update

from retclip.names import name_key
from retclip.store.classes.additions import class_before, noted_before, record_addition
from retclip.store.classes.class_edits import unpacked
from retclip.store.classes.class_matches import decisions, record
from retclip.store.classes.undo import UNDO
from retclip.store.records import ClassMatch, FillRuns
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import RETIRED, ClassMatchRow, Event, Run, Segment, Unit
from retclip.store.states import RunKind, UnitState
from retclip.store.work import leases

KIND, ACTION = RunKind.CLASS_FILL, "class.fill"  # of runs, of events


def note(match: ClassMatch, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a run of the fill says of itself. before: as in `FillRuns`."""
    return {"fill": _identity(match), "before": dict(before)}


def fill_runs(connection: Connection, match: ClassMatch) -> FillRuns:
    """The runs of a fill so far. Those of the same fill that was taken back count too: their segments are retired, and
    what is stored again belongs to the newer run."""
    rows = connection.execute(select(Run.id, Run.config).where(Run.kind == KIND).order_by(Run.id)).all()
    mine = [(number, config) for number, config in rows if config.get("fill") == _identity(match)]
    ids = tuple(number for number, _ in mine)
    alive = select(func.count()).select_from(Segment).where(Segment.run_id.in_(ids), Segment.status != RETIRED)
    segments = connection.execute(alive).scalar_one() if ids else 0
    return FillRuns(ids, noted_before(mine[0][1]) if mine else {}, segments)


def runs_or_class(connection: Connection, match: ClassMatch) -> FillRuns:
    """As `fill_runs`; before a first run, `before` is the class as it is now."""
    runs = fill_runs(connection, match)
    return runs if runs.ids else replace(runs, before=class_before(connection, match.query))


def same_fill(one: ClassMatch, other: ClassMatch) -> bool:
    """Whether two decisions want the same photos stored under the same name."""
    return _identity(one) == _identity(other)


def filled_elsewhere(connection: Connection, match: ClassMatch) -> int:
    """How many photos of the fill another living process is working on."""
    held = select(Unit.key).where(Unit.run_id.in_(fill_runs(connection, match).ids), Unit.state == UnitState.LEASED)
    keys = list(connection.execute(held.where(Unit.owner != leases.me())).scalars())
    return len(set(keys) - leases.left_behind(connection, keys))


def finish_fill(connection: Connection, match: ClassMatch, told: Mapping[str, Any]) -> int:
    """Record the event of a fill that is complete and note it in the decision's row. Where another process did that
    already and nothing has been stored since, its event stands; else a newer one names everything. told: what the event
    says beside the match. Returns the event's number; the fill must have had a run."""
    one_writer_at_a_time(connection)  # two processes must not both find that there is none
    earlier = connection.execute(select(ClassMatchRow.event_id).where(ClassMatchRow.id == match.id)).scalar_one()
    runs = fill_runs(connection, match)
    if earlier is not None and not _stored_since(connection, runs, int(earlier)):
        return int(earlier)
    after = {
        **told, "run": runs.ids[-1], "runs": list(runs.ids), "query": match.query, "matched": match.matched,
        "dataset": match.dataset, "source": match.source, "how": str(match.how), "similarity": match.similarity,
        "segments": runs.segments,
    }  # fmt: skip
    event = record_addition(connection, match.query, runs.before, after, ACTION)
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


def _stored_since(connection: Connection, runs: FillRuns, event: int) -> bool:
    """Whether segments of those runs are there that the event does not name, or that came after it was undone."""
    after = connection.execute(select(Event.after).where(Event.id == event)).scalar_one()
    undone = select(Event.id).where(Event.action == UNDO, Event.target == str(event))
    named = unpacked(after["made"]) if connection.execute(undone).first() is None else ()
    alive = select(Segment.id).where(Segment.run_id.in_(runs.ids), Segment.status != RETIRED)
    return not set(connection.execute(alive).scalars()) <= set(named)


def _identity(match: ClassMatch) -> dict[str, str]:
    return {"query": match.key, "dataset": match.dataset, "matched": name_key(match.matched)}
