"""Fills from the fallback data set: additions to a class that a decision requests.

A fill may be stopped and continued by another run; every run of it notes in its settings the decision that it carries
out, and all add to one event (`history.events.of_run`), which an undo takes back. Several processes may carry out the
same fill. It has ended when none of them holds a lease of its photos; then its decision names the event.
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
    """Make the settings of a run of the fill."""
    return {events.FILL: _identity(match)}


def fill_runs(connection: Connection, match: ClassMatch) -> FillRuns:
    """List the runs of a fill so far. Runs that were undone count, too: their segments are retired, and segments that
    are stored again belong to the newer run."""
    query = select(Run.id, Run.config, Run.event_id).where(Run.kind == KIND).order_by(Run.id)
    runs = [run for run in connection.execute(query) if run.config.get(events.FILL) == _identity(match)]
    ids = tuple(run.id for run in runs)
    counted = select(func.count()).select_from(Segment).where(Segment.run_id.in_(ids), Segment.status != RETIRED)
    segments = connection.execute(counted).scalar_one() if ids else 0
    event_ids = [run.event_id for run in runs if run.event_id is not None]
    return FillRuns(ids, segments, max(events.not_undone(connection, event_ids), default=None))


def same_fill(first: ClassMatch, second: ClassMatch) -> bool:
    """Tell whether two decisions request the same photos under the same name."""
    return _identity(first) == _identity(second)


def count_held_photos(connection: Connection, match: ClassMatch) -> int:
    """Count the photos of a fill that other living processes hold."""
    held = select(Unit.key).where(Unit.run_id.in_(fill_runs(connection, match).ids), Unit.state == UnitState.LEASED)
    keys = list(connection.execute(held.where(Unit.owner != leases.me())).scalars())
    return len(set(keys) - leases.left_behind(connection, keys))


def finish_fill(connection: Connection, match: ClassMatch) -> int:
    """Write into the decision's row that its fill is complete; returns the number of the fill's event.

    A fill without a segment gets an event all the same, so that it is not repeated. The fill must have had a run.
    """
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


def reopen_fill(connection: Connection, fill: Mapping[str, str], reason: str) -> str | None:
    """Reopen a fill that has ended: a newer row supersedes its decision, and the next fill of the name continues it.

    fill: its identity, as its runs note it.
    reason: for the new row.
    Returns the name; None if no decision requests the fill any more.
    """
    newest = decisions(connection).newest.get(fill["query"])
    if newest is None or not newest.is_fill or _identity(newest) != fill:
        return None
    if newest.event is not None:
        reasons = "; ".join(text for text in (newest.reason, reason) if text)
        record(connection, replace(newest, run=None, event=None, reason=reasons))
    return newest.query


def _identity(match: ClassMatch) -> dict[str, str]:
    return {"query": match.key, "dataset": match.dataset, "matched": name_key(match.matched)}
