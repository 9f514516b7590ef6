"""Changes of classes: rename, alias, merge, remove. Each is one transaction and one event.

Names live in SQL alone, so a rename writes no vector; a change of segments is announced to the indexes.
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
    """Give a class another name. The old one stays as an alias, so that sources which use it still mean the class.

    old: its name or an alias.
    actor: who does it, for the event.
    Raises DataError for an unknown class, and a name that is empty, its own, or another class's.
    """
    category = find_class(connection, old)
    name = _free_name(connection, new, category.id)
    if name == category.name:
        raise DataError("another name", f"{category.name!r}, which the class has already", "choose another")
    event = events.add(connection, actor, Action.RENAME, category.name, category.id)
    class_facts.add_fact(connection, event, category.id, name=name)
    return Edit(event)


def add_alias(connection: Connection, name: str, alias: str, actor: str) -> Edit:
    """Give a class one more name. Raises DataError for an unknown class, and a name that is taken."""
    category = find_class(connection, name)
    term = _free_name(connection, alias, None)
    event = events.add(connection, actor, Action.ALIAS, category.name, category.id)
    class_facts.add_fact(connection, event, category.id, alias=term)
    return Edit(event)


def merge_class(connection: Connection, name: str, into: str, actor: str) -> Edit:
    """Give every segment of a class to another one, which its name means from now on. Raises DataError for an unknown
    class, and for a class and itself."""
    category, target = find_class(connection, name), find_class(connection, into)
    if category.id == target.id:
        raise DataError("two different classes to merge", f"{name!r} is {into!r}", "name another class")
    ids = list(connection.execute(select(Segment.id).where(Segment.category_id == category.id)).scalars())
    event = events.add(connection, actor, Action.MERGE, category.name, category.id)
    class_facts.add_fact(connection, event, category.id, merged_into_id=target.id)
    label = {"category_id": target.id, "label_source": LabelSource.PERSON, "confidence": 1.0}
    segment_facts.add_same_fact(connection, event, ids, **label)
    announce_changes(connection, ids)
    return Edit(event, len(ids))


def remove_class(connection: Connection, name: str, actor: str) -> Edit:
    """Retire a class and its segments; it may be added again. Raises DataError for an unknown class."""
    category = find_class(connection, name)
    query = select(Segment.id).where(Segment.category_id == category.id, Segment.status != RETIRED)
    ids = list(connection.execute(query).scalars())
    # A finished unit is not done again: forget those of the class, by whatever name sources call it.
    prompts = connection.execute(select(Segment.prompt).where(Segment.category_id == category.id).distinct()).scalars()
    forget_units(connection, {category.name_key, *prompts})
    event = events.add(connection, actor, Action.REMOVE, category.name, category.id)
    class_facts.add_fact(connection, event, category.id, present=False)
    segment_facts.add_same_fact(connection, event, ids, present=False)
    announce_changes(connection, ids)
    return Edit(event, len(ids))


def has_segments(connection: Connection, name: str) -> bool:
    """Tell whether the class with a name or alias has a segment that is not retired."""
    number = find_category(connection, name)
    return number is not None and is_alive(connection, number)


def is_alive(connection: Connection, category: int) -> bool:
    """Tell whether the class of a row has a segment that is not retired."""
    left = select(Segment.id).where(Segment.category_id == category, Segment.status != RETIRED).limit(1)
    return connection.execute(left).first() is not None


@dataclass(frozen=True)
class KnownClass:
    """A class that is neither removed nor merged away."""

    id: int
    name: str
    name_key: str


def class_history(connection: Connection, name: str | None) -> list[HistoryEvent]:
    """List the events of a class, a removed one included, oldest first.

    name: None for all classes.
    Raises DataError for a name that no class ever had.
    """
    if name is None:
        return events.of_classes(connection)
    number = find_category(connection, name)
    return events.of_classes(connection, number or find_class(connection, name).id)


def find_class(connection: Connection, name: str) -> KnownClass:
    """Find the class with a name or alias. Raises DataError with the nearest names."""
    number = find_category(connection, name)
    columns = (Category.id, Category.name, Category.name_key)
    alive = select(*columns).where(Category.retired_at.is_(None), Category.merged_into_id.is_(None))
    row = connection.execute(alive.where(Category.id == number)).one_or_none() if number is not None else None
    if row is None:
        names = list(connection.execute(alive.with_only_columns(Category.name)).scalars())
        near = difflib.get_close_matches(name, names, 3) or sorted(names)[:10]
        todo = f"choose one of `retclip class list`, e.g. {', '.join(near)}" if names else "build the store first"
        raise DataError("a class of the store", repr(name), todo)
    return KnownClass(*row)


def _free_name(connection: Connection, name: str, own_id: int | None) -> str:
    """Normalise a new name that no class has yet.

    own_id: the row of the class that may have it already; None for no class.
    Raises DataError.
    """
    name = checked_name(name, "the new name")
    owner = find_category(connection, name)
    if owner is not None and owner != own_id:
        raise DataError(
            "a name that no class has", f"{name!r} is taken", "choose another, or use `retclip class merge`"
        )
    return name
