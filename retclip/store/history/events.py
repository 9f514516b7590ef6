"""The log: who changed something, and what was taken back. What exactly changed, an event's facts say
(`segment_facts`, `class_facts`): they are told under its number, in its transaction.

A person's change is one event. A run's is one, too, however many transactions it takes: it begins with the first thing
that the run says, so that a run which found nothing has none. What goes on with another run's work speaks under the
event of that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from retclip.errors import DataError
from retclip.store.records import HistoryEvent, OpenRun
from retclip.store.sql.catalog import pages
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import Category, ClassFact, Dataset, Event, Run, SegmentFact
from retclip.store.states import Action, RunKind

GOES_ON = "event"  # in a run's settings: under which event it speaks
FILL = "fill"  # in a run's settings: which fill it carries out; all runs of one speak under one event
OF_KIND = {RunKind.BUILD: Action.BUILD, RunKind.CLASS_ADD: Action.ADD, RunKind.CLASS_FILL: Action.FILL}
NOT_UNDONE = {Action.UNDO, Action.REPAIR}
OF_CLASSES = (
    Action.ADD, Action.FILL, Action.RENAME, Action.ALIAS, Action.MERGE, Action.REMOVE, Action.UNDO,
)  # fmt: skip
UNDONE = aliased(Event)  # in a query: the undo of an event


def add(
    connection: Connection, actor: str, action: Action, target: str, category: int | None = None,
    undoes: int | None = None,
) -> int:  # fmt: skip
    """Add an event and return its number."""
    values = {"actor": actor, "action": action, "target": target[:200], "category_id": category, "undoes": undoes}
    return int(connection.execute(insert(Event).values(**values).returning(Event.id)).scalar_one())


def of_run(connection: Connection, run: OpenRun, category: int | None = None) -> int:
    """The event under which a run speaks now, held until the transaction ends: nobody takes it back between.

    category: which class the run adds to, None for one of several.
    """
    own, config, source = connection.execute(select(Run.event_id, Run.config, Run.source).where(Run.id == run.id)).one()
    for earlier in (own, config.get(GOES_ON)):
        if earlier is not None and held_open(connection, earlier):
            return _speaks_under(connection, run.id, own, earlier)
    if FILL in config:
        one_writer_at_a_time(connection)  # two processes must not both find that there is none
        for earlier in of_fill(connection, config[FILL]):
            if held_open(connection, earlier):
                return _speaks_under(connection, run.id, own, earlier)
    target = source
    if category is not None:
        target = connection.execute(select(Category.name).where(Category.id == category)).scalar_one()
    event = add(connection, f"run {run.id}", OF_KIND[run.kind], target, category)
    return _speaks_under(connection, run.id, own, event)


def _speaks_under(connection: Connection, run: int, own: int | None, event: int) -> int:
    if own != event:
        connection.execute(update(Run).where(Run.id == run).values(event_id=event))
    return event


def of_fill(connection: Connection, fill: Mapping[str, str]) -> Sequence[int]:
    """The events of the runs that carried a fill out, the newest first; `fill` as its runs note it."""
    query = select(Run.event_id, Run.config).where(Run.kind == RunKind.CLASS_FILL, Run.event_id.is_not(None))
    found = (event for event, config in connection.execute(query) if config.get(FILL) == fill)
    return sorted({int(event) for event in found if event is not None}, reverse=True)


def held_open(connection: Connection, event: int) -> bool:
    """Whether an event still holds. Whoever wants to take it back waits until this transaction ends."""
    mine = select(Event.id).where(Event.id == event).with_for_update(read=True, key_share=True)
    connection.execute(mine)
    return not is_undone(connection, event)


def is_undone(connection: Connection, event: int) -> bool:
    """Whether an event was taken back."""
    return connection.execute(select(Event.id).where(Event.undoes == event)).first() is not None


def still_hold(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Those of the events that were not taken back."""
    held = set(numbers)
    for page in pages(sorted(held)):
        held -= set(connection.execute(select(Event.undoes).where(Event.undoes.in_(page))).scalars())
    return held


def runs_of(connection: Connection, event: int) -> list[int]:
    """The runs that speak under an event, oldest first."""
    return list(connection.execute(select(Run.id).where(Run.event_id == event).order_by(Run.id)).scalars())


def require(connection: Connection, event: int) -> None:
    """Raise DataError unless there is an event of that number."""
    if connection.execute(select(Event.id).where(Event.id == event)).first() is None:
        newest = connection.execute(select(func.max(Event.id))).scalar()
        todo = (
            "look it up with `retclip log` or `retclip class history`"
            if newest
            else "nothing has happened in this store yet"
        )
        raise DataError("the number of an event", f"{event}", todo)


def facts(
    fact: type[SegmentFact] | type[ClassFact], about: Any, columns: Sequence[Any], at: int | None = None
) -> Select[Any]:
    """Facts with their events, of each thing that they are about in the order in which they were said.

    about: the column of what a fact is about.
    columns: of the fact, of `Event`, and of `UNDONE`: the undo that took it back, NULL where it holds.
    at: as of that event: what later events said or took back does not count.
    """
    undone = UNDONE.undoes == fact.event_id
    said = select(*columns).join(Event, Event.id == fact.event_id).order_by(about, fact.id)
    if at is None:
        return said.outerjoin(UNDONE, undone)
    return said.outerjoin(UNDONE, and_(undone, UNDONE.id <= at)).where(fact.event_id <= at)


def log(connection: Connection) -> list[HistoryEvent]:
    """Every event, oldest first."""
    return _told(connection, _events())


def of_classes(connection: Connection, category: int | None = None) -> list[HistoryEvent]:
    """Changes of classes and what was undone, oldest first. category: of that class alone, by its row."""
    query = _events().where(Event.action.in_(OF_CLASSES))
    if category is not None:
        of_it = or_(ClassFact.category_id == category, ClassFact.merged_into_id == category)
        told = select(ClassFact.event_id).where(of_it)
        mine = select(Event.id).where(or_(Event.category_id == category, Event.id.in_(told)))
        query = query.where(or_(Event.id.in_(mine), Event.undoes.in_(mine)))
    return _told(connection, query)


def _events() -> Select[Any]:
    columns: tuple[Any, ...] = (
        Event.id, Event.at, Event.actor, Event.action, Event.target, Event.undoes, UNDONE.id.label("undone_by")
    )  # fmt: skip
    return select(*columns).outerjoin(UNDONE, UNDONE.undoes == Event.id).order_by(Event.id)


def _told(connection: Connection, query: Select[Any]) -> list[HistoryEvent]:
    rows = connection.execute(query).all()
    numbers = [row.id for row in rows]
    counted, called = _segments(connection, numbers), _names(connection, numbers)
    runs = _runs(connection, numbers)

    def entry(row: Any) -> HistoryEvent:
        by = runs.get(row.id, [])
        source, dataset = by[-1][2:] if by else ("", "")
        return HistoryEvent(
            row.id, row.at, row.actor, row.action, row.target, called.get(row.id, ""), counted.get(row.id, 0),
            tuple(one.id for one in by), source, dataset, row.undoes, row.undone_by,
        )  # fmt: skip

    return [entry(row) for row in rows]


def _segments(connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """Of how many segments each event speaks."""
    count, found = select(SegmentFact.event_id, func.count(SegmentFact.segment_id.distinct())), dict[int, int]()
    for page in pages(numbers):
        mine = count.where(SegmentFact.event_id.in_(page)).group_by(SegmentFact.event_id)
        found |= {row[0]: row[1] for row in connection.execute(mine)}
    return found


def _names(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """What each event that changed a class's names called it, or merged it into."""
    into, found = aliased(Category), dict[int, str]()
    named = (
        select(ClassFact.event_id, func.coalesce(ClassFact.name, ClassFact.alias, into.name))
        .join(Event, Event.id == ClassFact.event_id)
        .outerjoin(into, into.id == ClassFact.merged_into_id)
        .where(Event.action.in_((Action.RENAME, Action.ALIAS, Action.MERGE)))
    )
    for page in pages(numbers):
        found |= {row[0]: row[1] for row in connection.execute(named.where(ClassFact.event_id.in_(page)))}
    return found


def _runs(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Any]]:
    """The runs that speak under each event, oldest first, with their source and data set."""
    columns: tuple[Any, ...] = (Run.event_id, Run.id, Run.source, Dataset.name)
    by = select(*columns).join(Dataset, Dataset.id == Run.dataset_id)
    found: dict[int, list[Any]] = {}
    for page in pages(numbers):
        for row in connection.execute(by.where(Run.event_id.in_(page)).order_by(Run.id)):
            found.setdefault(row[0], []).append(row)
    return found
