"""Facts about classes, and the values that follow from them: names, aliases, thing or stuff, merges, removals.

Every name that a class was given means it: the newest one whose event is not undone is its name, the others are
aliases. The first name always stays, because it is the key of the row. The first fact that says thing or stuff decides;
a merge, a removal and a new storing hold until a newer fact. A class without a standing fact is removed.

`category` and `category_alias` cache the current values; the transaction that adds facts settles them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from retclip.names import name_key
from retclip.store.history import events
from retclip.store.sql.catalog import pages
from retclip.store.sql.chain_links import add_linked
from retclip.store.sql.tables import Category, CategoryAlias, ClassFact, Event

COLUMNS = ("event_id", "category_id", "name", "alias", "is_thing", "merged_into_id", "present")


@dataclass(frozen=True)
class ClassValues:
    """The values of a class that follow from its facts.

    aliases: by their name keys.
    retired_at: None for a class that is not removed.
    """

    name: str
    aliases: Mapping[str, str]
    is_thing: bool | None
    merged_into_id: int | None
    retired_at: datetime | None

    @property
    def columns(self) -> dict[str, Any]:
        """Make the columns of the row in `category`."""
        return {
            "name": self.name, "name_key": name_key(self.name), "is_thing": self.is_thing,
            "merged_into_id": self.merged_into_id, "retired_at": self.retired_at,
        }  # fmt: skip


def add_fact(connection: Connection, event: int, category: int, **values: Any) -> None:
    """Add a fact about a class under an event, and settle the class.

    values: the columns of the fact.
    """
    add_facts(connection, event, [{"category_id": category, **values}])


def add_facts(connection: Connection, event: int, facts: Sequence[Mapping[str, Any]]) -> None:
    """Add facts about classes under an event, and settle the classes.

    facts: the columns of each, the same in all.
    """
    add_linked(connection, "class_facts", event, facts)
    settle(connection, [fact["category_id"] for fact in facts])


def settle(connection: Connection, categories: Collection[int]) -> None:
    """Write the current values into the classes' rows."""
    for page in pages(sorted(set(categories))):
        cached = _cached(connection, page)  # locked until the transaction ends
        for category, current in values_of(connection, page).items():
            if current != cached[category]:
                _write(connection, category, cached[category], current)


def stale(connection: Connection) -> list[int]:
    """List the classes whose rows differ from their facts."""
    categories = list(connection.execute(select(Category.id).order_by(Category.id)).scalars())
    cached, current = _cached(connection, categories), values_of(connection)
    return [category for category in categories if current.get(category) != cached[category]]


def values_of(
    connection: Connection, categories: Sequence[int] | None = None, at: int | None = None
) -> dict[int, ClassValues]:
    """Compute the values of classes from their facts; a class without a name yet is left out.

    categories: None for all.
    at: as of that event: facts and undos of later events do not count; None for now.
    """
    columns = [*(getattr(ClassFact, name) for name in COLUMNS), Event.at, events.UNDO.at.label("undo")]
    query = events.facts(ClassFact, ClassFact.category_id, columns, at)
    if categories is not None:
        query = query.where(ClassFact.category_id.in_(categories))
    grouped = groupby(connection.execute(query), key=lambda row: int(row.category_id))
    pairs = ((category, _values(list(facts))) for category, facts in grouped)
    return {category: values for category, values in pairs if values is not None}


def _values(facts: Sequence[Any]) -> ClassValues | None:
    """Compute a class's values from its facts, oldest first; None for a class without a name yet."""
    first = next((fact for fact in facts if fact.name is not None), None)
    if first is None:
        return None
    live = [fact for fact in facts if fact.undo is None]
    names = [first.name, *(fact.name for fact in live if fact.name is not None and fact is not first)]
    aliases = {name_key(name): name for name in (*names, *(fact.alias for fact in live if fact.alias is not None))}
    aliases.pop(name_key(names[-1]))
    is_thing = next((fact.is_thing for fact in live if fact.is_thing is not None), None)
    merged = next((fact.merged_into_id for fact in reversed(live) if fact.merged_into_id is not None), None)
    presence = next((fact for fact in reversed(live) if fact.present is not None), None)
    if presence is not None:
        retired_at = None if presence.present else presence.at
    else:
        retired_at = max((fact.undo for fact in facts if fact.undo is not None), default=first.at)
    return ClassValues(names[-1], aliases, is_thing, merged, retired_at)


def _cached(connection: Connection, page: Sequence[int]) -> dict[int, ClassValues]:
    columns = (Category.id, Category.name, Category.is_thing, Category.merged_into_id, Category.retired_at)
    query = select(*columns).where(Category.id.in_(page)).order_by(Category.id).with_for_update(key_share=True)
    rows, aliases = connection.execute(query).all(), dict[int, dict[str, str]]()
    for row in connection.execute(select(CategoryAlias.__table__).where(CategoryAlias.category_id.in_(page))):
        aliases.setdefault(row.category_id, {})[row.alias_key] = row.alias
    return {row[0]: ClassValues(row[1], aliases.get(row[0], {}), *row[2:]) for row in rows}


def _write(connection: Connection, category: int, cached: ClassValues, current: ClassValues) -> None:
    dropped = [key for key, alias in cached.aliases.items() if current.aliases.get(key) != alias]
    if dropped:
        connection.execute(
            delete(CategoryAlias).where(CategoryAlias.category_id == category, CategoryAlias.alias_key.in_(dropped))
        )
    before = cached.columns  # only what differs is written: a class that gets its name again is locked against readers
    values = {name: value for name, value in current.columns.items() if value != before[name]}
    if values:
        connection.execute(update(Category).where(Category.id == category).values(**values))
    for key, alias in current.aliases.items():
        if cached.aliases.get(key) != alias:
            connection.execute(insert(CategoryAlias).values(category_id=category, alias=alias, alias_key=key))
