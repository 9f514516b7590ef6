"""The log of events: who changed something, and what was undone. The facts of an event say what exactly changed
(`segment_facts`, `class_facts`): they carry its number, and are written in its transaction.

A person's change is one event. So is a run's, however many transactions it takes: the event begins with the run's first
fact, so that a run without one has no event. A run that continues another one's work adds to the event of that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from retclip.errors import DataError
from retclip.store.records import HistoryEvent, OpenRun
from retclip.store.sql.catalog import rows_in
from retclip.store.sql.chain_links import added_rows
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import Category, ClassFact, Dataset, Event, Proposer, Run, SegmentFact
from retclip.store.states import Action, RunKind

CONTINUES = "event"  # in a run's settings: the event that it adds to
IMPORT = "import"  # in a run's settings: the class file that it stores
AGAINST = "against"  # in a run's settings: whether its segments count against the class that it adds, never for it
FILL = "fill"  # in a run's settings: the fill that it carries out; all runs of one fill add to one event
ACTION_OF = {
    RunKind.BUILD: Action.BUILD, RunKind.CLASS_ADD: Action.ADD, RunKind.CLASS_FILL: Action.FILL,
    RunKind.CLASS_IMPORT: Action.ADD,
}  # fmt: skip
NOT_UNDOABLE = {Action.UNDO, Action.REPAIR}
CLASS_ACTIONS = (
    Action.ADD, Action.FILL, Action.RENAME, Action.ALIAS, Action.MERGE, Action.REMOVE, Action.UNDO,
)  # fmt: skip
UNDO = aliased(Event)  # in a query: the undo of an event


def add(
    connection: Connection, actor: str, action: Action, target: str, category: int | None = None,
    undoes: int | None = None, reason: str = "",
) -> int:  # fmt: skip
    """Add an event and return its number.

    actor: a person, or "run N".
    target: what was changed, for people to read; cut to 200 characters.
    category: the row of the class that it is about; None for none or several.
    undoes: the event that it takes back; None for any action but an undo.
    reason: why, in the actor's words.
    """
    values = {"actor": actor, "action": action, "target": target[:200], "category_id": category, "undoes": undoes}
    number = int(connection.execute(insert(Event).values(**values, reason=reason).returning(Event.id)).scalar_one())
    added_rows(connection).events.add(number)
    return number


def of_run(connection: Connection, run: OpenRun, category: int | None = None) -> int:
    """Find or add the event of a run, and lock it until the transaction ends: nobody undoes it between.

    category: the row of the class that the run adds to; None for several.
    """
    query = select(Run.event_id, Run.config, Run.source).where(Run.id == run.id)
    current, config, source = connection.execute(query).one()
    for earlier in (current, config.get(CONTINUES)):
        if earlier is not None and lock_unless_undone(connection, earlier):
            return _join(connection, run.id, current, earlier)
    if FILL in config:
        one_writer_at_a_time(connection)  # two processes must not both find that there is none
        for earlier in of_fill(connection, config[FILL]):
            if lock_unless_undone(connection, earlier):
                return _join(connection, run.id, current, earlier)
    target = f"import of {config[IMPORT]['file']}" if IMPORT in config else source
    if category is not None:
        target = connection.execute(select(Category.name).where(Category.id == category)).scalar_one()
    event = add(connection, f"run {run.id}", ACTION_OF[run.kind], target, category)
    return _join(connection, run.id, current, event)


def _join(connection: Connection, run: int, current: int | None, event: int) -> int:
    if current != event:
        connection.execute(update(Run).where(Run.id == run).values(event_id=event))
    return event


def of_fill(connection: Connection, fill: Mapping[str, str]) -> Sequence[int]:
    """List the events of the runs that carried a fill out, the newest first.

    fill: its identity, as its runs note it.
    """
    query = select(Run.event_id, Run.config).where(Run.kind == RunKind.CLASS_FILL, Run.event_id.is_not(None))
    event_ids = (event for event, config in connection.execute(query) if config.get(FILL) == fill)
    return sorted({int(event) for event in event_ids if event is not None}, reverse=True)


def lock_unless_undone(connection: Connection, event: int) -> bool:
    """Lock an event against an undo until this transaction ends; returns False if it was undone before."""
    lock = select(Event.id).where(Event.id == event).with_for_update(read=True, key_share=True)
    connection.execute(lock)
    return not is_undone(connection, event)


def is_undone(connection: Connection, event: int) -> bool:
    """Tell whether an event was undone."""
    return connection.execute(select(Event.id).where(Event.undoes == event)).first() is not None


def not_undone(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """List those of the events that were not undone."""
    every = sorted(set(numbers))
    return set(every) - {row.undoes for row in rows_in(connection, select(Event.undoes), Event.undoes, every)}


def runs_of(connection: Connection, event: int) -> list[int]:
    """List the runs that add to an event, oldest first."""
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
    """Select facts with their events, by subject, oldest first.

    about: the fact's column of its subject: segment or class.
    columns: of the fact, of `Event`, and of `UNDO`: the undo of its event, NULL if there is none.
    at: as of that event: facts and undos of later events do not count; None for now.
    """
    undone = UNDO.undoes == fact.event_id
    query = select(*columns).join(Event, Event.id == fact.event_id).order_by(about, fact.id)
    if at is None:
        return query.outerjoin(UNDO, undone)
    return query.outerjoin(UNDO, and_(undone, UNDO.id <= at)).where(fact.event_id <= at)


def of_classes(connection: Connection, category: int | None = None) -> list[HistoryEvent]:
    """List the changes of classes and the undos, oldest first.

    category: the row of one class; None for all.
    """
    query = every_event().where(Event.action.in_(CLASS_ACTIONS))
    if category is not None:
        about_class = or_(ClassFact.category_id == category, ClassFact.merged_into_id == category)
        speaking = select(ClassFact.event_id).where(about_class)
        event_ids = select(Event.id).where(or_(Event.category_id == category, Event.id.in_(speaking)))
        query = query.where(or_(Event.id.in_(event_ids), Event.undoes.in_(event_ids)))
    return described(connection, query)


def every_event() -> Select[Any]:
    """Select all events, oldest first, for `described`."""
    columns: tuple[Any, ...] = (
        Event.id, Event.at, Event.actor, Event.action, Event.target, Event.undoes, UNDO.id.label("undone_by"),
        Event.reason,
    )  # fmt: skip
    return select(*columns).outerjoin(UNDO, UNDO.undoes == Event.id).order_by(Event.id)


def described(connection: Connection, query: Select[Any]) -> list[HistoryEvent]:
    """Read events for people. query: of `every_event`, with conditions."""
    rows = connection.execute(query).all()
    numbers = [row.id for row in rows]
    segments, names = _segments(connection, numbers), _names(connection, numbers)
    runs = _runs(connection, numbers)

    def entry(row: Any) -> HistoryEvent:
        runs_of_event = runs.get(row.id, [])
        source, dataset, proposer = runs_of_event[-1][2:] if runs_of_event else ("", "", "")
        return HistoryEvent(
            row.id, row.at, row.actor, row.action, row.target, names.get(row.id, ""), segments.get(row.id, 0),
            tuple(run.id for run in runs_of_event), source, dataset, row.undoes, row.undone_by, row.reason, proposer,
        )  # fmt: skip

    return [entry(row) for row in rows]


def _segments(connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """Count the segments that each event has a fact about."""
    columns = (SegmentFact.event_id, func.count(SegmentFact.segment_id.distinct()))
    query = select(*columns).group_by(SegmentFact.event_id)
    return {row[0]: row[1] for row in rows_in(connection, query, SegmentFact.event_id, numbers)}


def _names(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """Find the name that each event gave a class, or the class that it merged it into."""
    into = aliased(Category)
    query = (
        select(ClassFact.event_id, func.coalesce(ClassFact.name, ClassFact.alias, into.name))
        .join(Event, Event.id == ClassFact.event_id)
        .outerjoin(into, into.id == ClassFact.merged_into_id)
        .where(Event.action.in_((Action.RENAME, Action.ALIAS, Action.MERGE)))
    )
    return {row[0]: row[1] for row in rows_in(connection, query, ClassFact.event_id, numbers)}


def _runs(connection: Connection, numbers: Sequence[int]) -> dict[int, list[Any]]:
    """List the runs that add to each event, oldest first, with source, data set and proposer."""
    columns: tuple[Any, ...] = (Run.event_id, Run.id, Run.source, Dataset.name, Proposer.name)
    query = select(*columns).join(Dataset, Dataset.id == Run.dataset_id).join(Proposer, Proposer.id == Run.proposer_id)
    query = query.order_by(Run.id)
    runs: dict[int, list[Any]] = {}
    for row in rows_in(connection, query, Run.event_id, numbers):
        runs.setdefault(row[0], []).append(row)
    return runs
