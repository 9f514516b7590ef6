"""Changing classes: another name, one more name, two made one, one removed. Each is one transaction and one event.

Names live in SQL alone, so a rename writes no vector; where segments change, the index is told.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from sqlalchemy import Connection, select

from retclip.errors import DataError
from retclip.names import checked_name
from retclip.store.history import class_facts, events, segment_facts
from retclip.store.records import Edit, HistoryEvent
from retclip.store.segments.categories import find_category
from retclip.store.sql.tables import RETIRED, Category, Segment
from retclip.store.states import Action, LabelSource
from retclip.store.work.ledger import forget_units
from retclip.store.work.outbox import announce_changes


def rename_class(connection: Connection, old: str, new: str, actor: str) -> Edit:
    """The old name stays as an alias, so that sources which use it still mean the class. Raises DataError for an
    unknown class, an empty name, the name that it has, or one that another class has."""
    one = find_class(connection, old)
    name = _free_name(connection, new, one.id)
    if name == one.name:
        raise DataError("another name", f"{one.name!r}, which the class has already", "choose another")
    event = events.add(connection, actor, Action.RENAME, one.name, one.id)
    class_facts.add_fact(connection, event, one.id, name=name)
    return Edit(event)


def add_alias(connection: Connection, name: str, alias: str, actor: str) -> Edit:
    """One more name of a class. Raises DataError where it is unknown or the name is taken."""
    one = find_class(connection, name)
    term = _free_name(connection, alias, None)
    event = events.add(connection, actor, Action.ALIAS, one.name, one.id)
    class_facts.add_fact(connection, event, one.id, alias=term)
    return Edit(event)


def merge_class(connection: Connection, name: str, into: str, actor: str) -> Edit:
    """Every segment of a class gets the other's label; its name means the other from now on. Raises DataError."""
    one, target = find_class(connection, name), find_class(connection, into)
    if one.id == target.id:
        raise DataError("two different classes to merge", f"{name!r} is {into!r}", "name another class")
    ids = list(connection.execute(select(Segment.id).where(Segment.category_id == one.id)).scalars())
    event = events.add(connection, actor, Action.MERGE, one.name, one.id)
    class_facts.add_fact(connection, event, one.id, merged_into_id=target.id)
    label = {"category_id": target.id, "label_source": LabelSource.PERSON, "confidence": 1.0}
    segment_facts.add_same_fact(connection, event, ids, **label)
    announce_changes(connection, ids)
    return Edit(event, len(ids))


def remove_class(connection: Connection, name: str, actor: str) -> Edit:
    """Its segments are retired, not forgotten; it may be added again. Raises DataError for an unknown class."""
    one = find_class(connection, name)
    query = select(Segment.id).where(Segment.category_id == one.id, Segment.status != RETIRED)
    ids = list(connection.execute(query).scalars())
    asked = select(Segment.prompt).where(Segment.category_id == one.id).distinct()  # sources may call it otherwise
    forget_units(connection, {one.name_key, *connection.execute(asked).scalars()})  # finished, it is not done again
    event = events.add(connection, actor, Action.REMOVE, one.name, one.id)
    class_facts.add_fact(connection, event, one.id, present=False)
    segment_facts.add_same_fact(connection, event, ids, present=False)
    announce_changes(connection, ids)
    return Edit(event, len(ids))


def has_segments(connection: Connection, name: str) -> bool:
    """Whether the class that a name means has a segment that is not retired."""
    number = find_category(connection, name)
    return number is not None and is_alive(connection, number)


def is_alive(connection: Connection, category: int) -> bool:
    """Whether the class with that number has a segment that is not retired."""
    left = select(Segment.id).where(Segment.category_id == category, Segment.status != RETIRED).limit(1)
    return connection.execute(left).first() is not None


@dataclass(frozen=True)
class KnownClass:
    """A class that is neither removed nor merged away."""

    id: int
    name: str
    name_key: str


def class_history(connection: Connection, name: str | None) -> list[HistoryEvent]:
    """The events of a class, also of one that is gone, or of all classes. Raises DataError for a name that none had."""
    if name is None:
        return events.of_classes(connection)
    number = find_category(connection, name)
    return events.of_classes(connection, number or find_class(connection, name).id)


def find_class(connection: Connection, name: str) -> KnownClass:
    """The class that a name or alias means. Raises DataError with the nearest names."""
    number = find_category(connection, name)
    columns = (Category.id, Category.name, Category.name_key)
    alive = select(*columns).where(Category.retired_at.is_(None), Category.merged_into_id.is_(None))
    row = connection.execute(alive.where(Category.id == number)).one_or_none() if number is not None else None
    if row is None:
        known = list(connection.execute(alive.with_only_columns(Category.name)).scalars())
        near = difflib.get_close_matches(name, known, 3) or sorted(known)[:10]
        todo = f"choose one of `retclip class list`, e.g. {', '.join(near)}" if known else "build the store first"
        raise DataError("a class of the store", repr(name), todo)
    return KnownClass(*row)


def _free_name(connection: Connection, name: str, mine: int | None) -> str:
    """A new name as it is kept. mine: a class that may have it already."""
    name = checked_name(name, "the new name")
    owner = find_category(connection, name)
    if owner is not None and owner != mine:
        raise DataError(
            "a name that no class has", f"{name!r} is taken", "choose another, or use `retclip class merge`"
        )
    return name
