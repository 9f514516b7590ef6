"""What a fill from the fallback data set has stored so far, and its end: one event, which an undo takes back.

A fill may be stopped and go on in another run; every run of it notes in its settings which decision it carries out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from retclip.names import name_key
from retclip.store.additions import noted_before, record_addition
from retclip.store.class_matches import ClassMatch
from retclip.store.ledger import CLASS_FILL
from retclip.store.tables import RETIRED, Segment
from retclip.store.work_tables import ClassMatchRow, Run

KIND, ACTION = CLASS_FILL, "class.fill"  # of runs, of events


@dataclass(frozen=True)
class FillRuns:
    """The runs of a fill, oldest first. before: what the class was before the first of them (`additions.class_before`).
    segments: how many of theirs are not retired."""

    ids: tuple[int, ...]
    before: Mapping[str, Any]
    segments: int


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


def finish_fill(connection: Connection, match: ClassMatch, told: Mapping[str, Any]) -> int:
    """Record the event of a fill that is complete and note it in the decision's row, unless another process did. told:
    what the event says beside the match. Returns the event's number; the fill must have had a run."""
    earlier = connection.execute(select(ClassMatchRow.event_id).where(ClassMatchRow.id == match.id)).scalar_one()
    if earlier is not None:
        return int(earlier)
    runs = fill_runs(connection, match)
    after = {
        **told, "run": runs.ids[-1], "runs": list(runs.ids), "query": match.query, "matched": match.matched,
        "dataset": match.dataset, "source": match.source, "how": str(match.how), "similarity": match.similarity,
        "segments": runs.segments,
    }  # fmt: skip
    event = record_addition(connection, match.query, runs.before, after, ACTION)
    ended = update(ClassMatchRow).where(ClassMatchRow.id == match.id)
    connection.execute(ended.values(run_id=runs.ids[-1], event_id=event))
    return event


def _identity(match: ClassMatch) -> dict[str, str]:
    return {"query": match.key, "dataset": match.dataset, "matched": name_key(match.matched)}
