"""What is said of segments, and what holds of it.

A fact says one thing or several: a label, a mask, whether the image shows the segment, whether a person hides it. Of
each of these the newest fact holds whose event is not undone. Where none is left of a label or a mask, the first one
stands: a segment is never without. Nothing else decides: an undo adds an event, and what it leaves is read again.

`segment` holds beside its place what holds now, so that no reader has to ask the facts. Who adds facts settles it in
the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from retclip.store.history import events
from retclip.store.sql.catalog import pages
from retclip.store.sql.tables import NORMAL, QUARANTINED, RETIRED, Event, Segment, SegmentFact
from retclip.store.states import LabelSource

PAGE = 2000  # segments whose facts are read at once


@dataclass(frozen=True)
class Held:
    """What holds of a segment, by the names of its columns."""

    category_id: int
    label_source: LabelSource
    confidence: float
    labelled_by: str
    run_id: int
    mask_no: int
    score: float
    detector_score: float | None
    mask_score: float | None
    status: int


HELD = tuple(one.name for one in fields(Held))
CACHED: Mapping[str, Any] = {name: Segment.__table__.c[name] for name in HELD}


def say(connection: Connection, event: int, facts: Sequence[Mapping[str, Any]]) -> None:
    """Add facts under an event. facts: all with the same columns. The caller settles the segments."""
    if facts:
        connection.execute(insert(SegmentFact), [{"event_id": event, **one} for one in facts])


def say_alike(connection: Connection, event: int, segment_ids: Sequence[int], **what: Any) -> list[int]:
    """Say the same of several segments, and settle them; the ones that changed. The caller announces them."""
    say(connection, event, [{"segment_id": one, **what} for one in segment_ids])
    return settle(connection, segment_ids)


def settle(connection: Connection, segment_ids: Collection[int], moved: Collection[int] = ()) -> list[int]:
    """Write into the segments' rows what holds now; the ones that changed. The caller announces them.

    moved: whose vector lies elsewhere now: they count as changed.
    """
    changed: list[int] = []
    for page in pages(sorted(set(segment_ids)), PAGE):
        now = _cached(connection, page)  # held until the transaction ends: facts that come meanwhile are read, too
        new = {one: held for one, held in held_of(connection, page) if held != now[one] or one in moved}
        _write(connection, new)
        changed += new
    return changed


def stale(connection: Connection) -> list[int]:
    """The segments whose rows say something else than their facts. Reads every fact."""
    wrong: list[int] = []
    for page in every_page(connection):
        now = _cached(connection, page)
        holds = dict(held_of(connection, page))
        wrong += [one for one in page if holds.get(one) != now[one]]
    return wrong


def every_page(connection: Connection) -> Iterator[Sequence[int]]:
    """All segments' rows, in pages."""
    last = 0
    while page := connection.execute(
        select(Segment.id).where(Segment.id > last).order_by(Segment.id).limit(PAGE)
    ).scalars().all():  # fmt: skip
        yield page
        last = page[-1]


def held_of(connection: Connection, page: Sequence[int], at: int | None = None) -> Iterator[tuple[int, Held]]:
    """What holds of each of those segments; left out: one of which nothing was said.

    at: as of that event: what later events said or took back does not count.
    """
    of_fact = [one for one in SegmentFact.__table__.c if one.name != "seal"]
    columns = [*of_fact, Event.actor, events.UNDONE.id.label("undo")]
    said = events.facts(SegmentFact, SegmentFact.segment_id, columns, at)
    rows = connection.execute(said.where(SegmentFact.segment_id.in_(page)))
    for segment, facts in groupby(rows, key=lambda row: int(row.segment_id)):
        if (held := _held(list(facts))) is not None:
            yield segment, held


def _held(facts: Sequence[Any]) -> Held | None:
    """What holds, by facts in the order in which they were said; None where no label or no mask is among them."""
    label, drawn = _said(facts, "category_id", True), _said(facts, "mask_no", True)
    if label is None or drawn is None:
        return None
    present, hidden = _said(facts, "present"), _said(facts, "hidden")
    by_run = label.mask_no is not None  # a run that labels a segment has made its mask in the same breath
    return Held(
        label.category_id, label.label_source, label.confidence, f"run {label.run_id}" if by_run else label.actor,
        drawn.run_id, drawn.mask_no, drawn.score, drawn.detector_score, drawn.mask_score,
        _status(bool(present and present.present), bool(hidden and hidden.hidden)),
    )  # fmt: skip


def _said(facts: Sequence[Any], what: str, never_without: bool = False) -> Any:
    """The newest fact that speaks of that and was not taken back; or else the first, where one must stand."""
    of_it = [one for one in facts if getattr(one, what) is not None]
    live = (one for one in reversed(of_it) if one.undo is None)
    return next(live, of_it[0] if of_it and never_without else None)


def _status(present: bool, hidden: bool) -> int:
    if not present:
        return RETIRED
    return QUARANTINED if hidden else NORMAL


def _cached(connection: Connection, page: Sequence[int]) -> dict[int, Held]:
    query = select(Segment.id, *CACHED.values()).where(Segment.id.in_(page)).order_by(Segment.id)
    return {row[0]: Held(*row[1:]) for row in connection.execute(query.with_for_update(key_share=True))}


def _write(connection: Connection, new: Mapping[int, Held]) -> None:
    values = {name: bindparam(f"new_{name}", type_=column.type) for name, column in CACHED.items()}
    changed = update(Segment.__table__).where(Segment.__table__.c.id == bindparam("row"))
    rows = [{"row": one, **{f"new_{name}": getattr(held, name) for name in HELD}} for one, held in new.items()]
    if rows:
        connection.execute(changed.values(**values, rev=Segment.__table__.c.rev + 1), rows)
