"""What is said of classes, and what holds of it: names, aliases, whether they count, merges, removals.

Every name that a class was given means it: the newest whose event is not undone is what it is called, the others are
aliases. The first name stays, for the row is known by it. Whether a class counts, the first says who says it; a merge,
a removal and a new storing hold until something newer is said. A class of which nothing holds any more is removed.

`category` and `category_alias` hold what holds now, settled in the transaction that adds facts.
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
from retclip.store.sql.tables import Category, CategoryAlias, ClassFact, Event

COLUMNS = ("event_id", "category_id", "name", "alias", "is_thing", "merged_into_id", "present")


@dataclass(frozen=True)
class HeldClass:
    """What holds of a class. aliases: by their keys. retired_at: None for one that is there."""

    name: str
    aliases: Mapping[str, str]
    is_thing: bool | None
    merged_into_id: int | None
    retired_at: datetime | None

    @property
    def columns(self) -> dict[str, Any]:
        """Of its row in `category`."""
        return {
            "name": self.name, "name_key": name_key(self.name), "is_thing": self.is_thing,
            "merged_into_id": self.merged_into_id, "retired_at": self.retired_at,
        }  # fmt: skip


def say(connection: Connection, event: int, category: int, **what: Any) -> None:
    """Add a fact under an event, and settle the class."""
    say_all(connection, event, [{"category_id": category, **what}])


def say_all(connection: Connection, event: int, facts: Sequence[Mapping[str, Any]]) -> None:
    """Add facts under an event, and settle the classes. facts: all with the same columns."""
    if facts:
        connection.execute(insert(ClassFact), [{"event_id": event, **one} for one in facts])
        settle(connection, [one["category_id"] for one in facts])


def settle(connection: Connection, categories: Collection[int]) -> None:
    """Write into the classes' rows what holds now."""
    for page in pages(sorted(set(categories))):
        now = _cached(connection, page)  # held until the transaction ends
        for category, held in held_of(connection, page).items():
            if held != now[category]:
                _write(connection, category, now[category], held)


def stale(connection: Connection) -> list[int]:
    """The classes whose rows say something else than their facts."""
    every = list(connection.execute(select(Category.id).order_by(Category.id)).scalars())
    now, holds = _cached(connection, every), held_of(connection)
    return [one for one in every if holds.get(one) != now[one]]


def held_of(
    connection: Connection, categories: Sequence[int] | None = None, at: int | None = None
) -> dict[int, HeldClass]:
    """What holds of each of those classes (None: of all); left out: one of which nothing was said.

    at: as of that event: what later events said or took back does not count.
    """
    columns = [*(getattr(ClassFact, name) for name in COLUMNS), Event.at, events.UNDONE.at.label("undo")]
    said = events.facts(ClassFact, ClassFact.category_id, columns, at)
    if categories is not None:
        said = said.where(ClassFact.category_id.in_(categories))
    grouped = groupby(connection.execute(said), key=lambda row: int(row.category_id))
    found = ((category, _held(list(facts))) for category, facts in grouped)
    return {category: held for category, held in found if held is not None}


def _held(facts: Sequence[Any]) -> HeldClass | None:
    """What holds, by facts in the order in which they were said; None for a class that nobody named yet."""
    first = next((one for one in facts if one.name is not None), None)
    if first is None:
        return None
    live = [one for one in facts if one.undo is None]
    names = [first.name, *(one.name for one in live if one.name is not None and one is not first)]
    aliases = {name_key(one): one for one in (*names, *(one.alias for one in live if one.alias is not None))}
    aliases.pop(name_key(names[-1]))
    counts = next((one.is_thing for one in live if one.is_thing is not None), None)
    merged = next((one.merged_into_id for one in reversed(live) if one.merged_into_id is not None), None)
    there = next((one for one in reversed(live) if one.present is not None), None)
    gone = max((one.undo for one in facts if one.undo is not None), default=first.at) if there is None else there.at
    return HeldClass(names[-1], aliases, counts, merged, None if there is not None and there.present else gone)


def _cached(connection: Connection, page: Sequence[int]) -> dict[int, HeldClass]:
    columns = (Category.id, Category.name, Category.is_thing, Category.merged_into_id, Category.retired_at)
    query = select(*columns).where(Category.id.in_(page)).order_by(Category.id).with_for_update(key_share=True)
    rows, aliases = connection.execute(query).all(), dict[int, dict[str, str]]()
    for one in connection.execute(select(CategoryAlias.__table__).where(CategoryAlias.category_id.in_(page))):
        aliases.setdefault(one.category_id, {})[one.alias_key] = one.alias
    return {row[0]: HeldClass(row[1], aliases.get(row[0], {}), *row[2:]) for row in rows}


def _write(connection: Connection, category: int, now: HeldClass, new: HeldClass) -> None:
    gone = [key for key, alias in now.aliases.items() if new.aliases.get(key) != alias]
    connection.execute(
        delete(CategoryAlias).where(CategoryAlias.category_id == category, CategoryAlias.alias_key.in_(gone))
    )
    before = now.columns  # what stays is left alone: a class that gets its name again is locked against readers
    values = {name: value for name, value in new.columns.items() if value != before[name]}
    if values:
        connection.execute(update(Category).where(Category.id == category).values(**values))
    for key, alias in new.aliases.items():
        if now.aliases.get(key) != alias:
            connection.execute(insert(CategoryAlias).values(category_id=category, alias=alias, alias_key=key))
