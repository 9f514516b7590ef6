"""Facts about segments, and the values that follow from them.

A fact states one or several of these: a label, a mask, whether the image shows the segment, whether a person hides it
or took it out. Of each, the newest fact holds whose event is not undone. If none is left of a label or a mask, the
first one stands: a segment always has both. Nothing else decides: an undo adds an event, and the remaining facts are
read again.

`segment` caches the current values beside the slot, so that no reader has to ask the facts. The transaction that adds
facts settles them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from retclip.store.history import events
from retclip.store.sql.catalog import pages
from retclip.store.sql.chain_links import add_linked
from retclip.store.sql.tables import NORMAL, QUARANTINED, RETIRED, Event, Segment, SegmentFact
from retclip.store.states import LabelSource

PAGE = 2000  # segments whose facts are read at once


@dataclass(frozen=True)
class SegmentValues:
    """The values of a segment that follow from its facts, named like the columns of `segment`."""

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


NAMES = tuple(field.name for field in fields(SegmentValues))
COLUMNS: Mapping[str, Any] = {name: Segment.__table__.c[name] for name in NAMES}


def add_facts(connection: Connection, event: int, facts: Sequence[Mapping[str, Any]]) -> None:
    """Add facts about segments under an event. The caller settles the segments.

    facts: the columns of each, the same in all.
    """
    add_linked(connection, "segment_facts", event, facts)


def add_same_fact(connection: Connection, event: int, segment_ids: Sequence[int], **values: Any) -> list[int]:
    """Add the same fact about several segments, and settle them; returns the changed ones. The caller announces them.

    values: the columns of the fact.
    """
    add_facts(connection, event, [{"segment_id": segment, **values} for segment in segment_ids])
    return settle(connection, segment_ids)


def settle(connection: Connection, segment_ids: Collection[int], moved: Collection[int] = ()) -> list[int]:
    """Write the current values into the segments' rows; returns the changed ones. The caller announces them.

    moved: segments whose vector has another place now: they count as changed.
    """
    changed: list[int] = []
    for page in pages(sorted(set(segment_ids)), PAGE):
        cached = _cached(connection, page)  # locked until the transaction ends: facts that come meanwhile are read, too
        new = {
            segment: values
            for segment, values in values_of(connection, page)
            if values != cached[segment] or segment in moved
        }
        _write(connection, new)
        changed += new
    return changed


def stale(connection: Connection) -> list[int]:
    """List the segments whose rows differ from their facts. Reads every fact."""
    wrong: list[int] = []
    for page in every_page(connection):
        cached = _cached(connection, page)
        current = dict(values_of(connection, page))
        wrong += [segment for segment in page if current.get(segment) != cached[segment]]
    return wrong


def every_page(connection: Connection) -> Iterator[Sequence[int]]:
    """Read the rows of all segments, in pages."""
    last = 0
    while page := connection.execute(
        select(Segment.id).where(Segment.id > last).order_by(Segment.id).limit(PAGE)
    ).scalars().all():  # fmt: skip
        yield page
        last = page[-1]


def values_of(
    connection: Connection, page: Sequence[int], at: int | None = None
) -> Iterator[tuple[int, SegmentValues]]:
    """Compute the values of segments from their facts; a segment without a label or a mask is left out.

    page: rows of segments, at most PAGE.
    at: as of that event: facts and undos of later events do not count; None for now.
    """
    columns_of_fact = [column for column in SegmentFact.__table__.c if column.name != "seal"]
    columns = [*columns_of_fact, Event.actor, events.UNDO.id.label("undo")]
    query = events.facts(SegmentFact, SegmentFact.segment_id, columns, at)
    rows = connection.execute(query.where(SegmentFact.segment_id.in_(page)))
    for segment, facts in groupby(rows, key=lambda row: int(row.segment_id)):
        if (values := _values(list(facts))) is not None:
            yield segment, values


def _values(facts: Sequence[Any]) -> SegmentValues | None:
    """Compute a segment's values from its facts, oldest first; None without a label or a mask among them."""
    label, drawn = _newest(facts, "category_id", True), _newest(facts, "mask_no", True)
    if label is None or drawn is None:
        return None
    present, hidden, retired = (_newest(facts, column) for column in ("present", "hidden", "retired"))
    by_run = label.mask_no is not None  # a run that labels a segment has made its mask in the same fact
    return SegmentValues(
        label.category_id, label.label_source, label.confidence, f"run {label.run_id}" if by_run else label.actor,
        drawn.run_id, drawn.mask_no, drawn.score, drawn.detector_score, drawn.mask_score,
        _status(bool(present and present.present), bool(hidden and hidden.hidden), bool(retired and retired.retired)),
    )  # fmt: skip


def words_of(connection: Connection, segment_ids: Sequence[int], column: str) -> dict[int, bool]:
    """Find the words of people about segments that hold; segments without one are left out.

    column: `hidden` or `retired`.
    """
    stated, words = getattr(SegmentFact, column), dict[int, bool]()
    columns = (SegmentFact.segment_id, stated, events.UNDO.id.label("undo"))
    query = events.facts(SegmentFact, SegmentFact.segment_id, columns).where(stated.is_not(None))
    for page in pages(segment_ids, PAGE):
        rows = connection.execute(query.where(SegmentFact.segment_id.in_(page)))
        words |= {row[0]: bool(row[1]) for row in rows if row[2] is None}  # the newest comes last
    return words


def _newest(facts: Sequence[Any], column: str, never_without: bool = False) -> Any:
    """Find the newest fact that states a column and is not undone; else, if `never_without`, the first."""
    stating = [fact for fact in facts if getattr(fact, column) is not None]
    live = (fact for fact in reversed(stating) if fact.undo is None)
    return next(live, stating[0] if stating and never_without else None)


def _status(present: bool, hidden: bool, retired: bool) -> int:
    if retired or not present:  # a person's word outlives every run that shows it again
        return RETIRED
    return QUARANTINED if hidden else NORMAL


def _cached(connection: Connection, page: Sequence[int]) -> dict[int, SegmentValues]:
    query = select(Segment.id, *COLUMNS.values()).where(Segment.id.in_(page)).order_by(Segment.id)
    return {row[0]: SegmentValues(*row[1:]) for row in connection.execute(query.with_for_update(key_share=True))}


def _write(connection: Connection, changed: Mapping[int, SegmentValues]) -> None:
    parameters = {name: bindparam(f"new_{name}", type_=column.type) for name, column in COLUMNS.items()}
    statement = update(Segment.__table__).where(Segment.__table__.c.id == bindparam("row"))
    rows = [
        {"row": segment, **{f"new_{name}": getattr(values, name) for name in NAMES}}
        for segment, values in changed.items()
    ]
    if rows:
        connection.execute(statement.values(**parameters, rev=Segment.__table__.c.rev + 1), rows)
