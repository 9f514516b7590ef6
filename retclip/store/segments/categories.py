"""Classes by name: the key under which two spellings are one class, and the rows behind it.

A name that is an alias means its class; a class merged into another means that one. Names live only here: a rename
writes no vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from retclip.names import checked_name, name_key
from retclip.store.history import class_facts
from retclip.store.sql.catalog import merged_into, pages
from retclip.store.sql.engine import insert_or_keep
from retclip.store.sql.tables import Category, CategoryAlias, ClassFact


@dataclass(frozen=True)
class Stored:
    """Classes that are stored. ids: by name. new: those that nobody has named yet, as they are spelt."""

    ids: Mapping[str, int]
    new: Mapping[int, str]


def ensure_categories(connection: Connection, names: Iterable[str]) -> Stored:
    """Row id per name, inserting the unknown ones, of which nothing holds before `say_stored`. Raises DataError for a
    new name that no class may have: SQLite would take what PostgreSQL refuses."""
    keys = {name: name_key(name) for name in names}
    found, new = find_categories(connection, list(keys.values())), dict[int, str]()
    unknown: dict[str, str] = {}
    for name, key in keys.items():
        if key not in found:
            unknown.setdefault(key, name)  # the first spelling counts
    if unknown:
        spelled = {key: checked_name(name, "a class to be stored") for key, name in unknown.items()}
        rows = [{"name": name, "name_key": key} for key, name in spelled.items()]
        connection.execute(insert_or_keep(connection, Category), rows)
        found |= find_categories(connection, list(unknown))
        new = {found[key]: name for key, name in spelled.items()}
    return Stored({name: found[key] for name, key in keys.items()}, new)


def say_stored(connection: Connection, event: int, stored: Stored, is_thing: Mapping[str, bool | None]) -> None:
    """Say that those classes are there, and whether they count; once in an event, unless somebody removed one since.

    is_thing: by name, None where nobody knows.
    """
    counts = dict[int, bool | None]()
    for name, category in stored.ids.items():
        if counts.get(category) is None:
            counts[category] = is_thing.get(name)
    told, alive = _told(connection, event, list(counts)), _alive(connection, list(counts))
    facts = [
        {"category_id": one, "name": stored.new.get(one), "present": True, "is_thing": thing}
        for one, thing in sorted(counts.items())
        if one not in alive or one not in told or (thing is not None and told[one] is None)
    ]
    class_facts.add_facts(connection, event, facts)


def _told(connection: Connection, event: int, categories: Sequence[int]) -> dict[int, bool | None]:
    """Of which of the classes the event said that they are there, and whether they count."""
    told = dict[int, bool | None]()
    mine = select(ClassFact.category_id, ClassFact.is_thing).where(
        ClassFact.event_id == event, ClassFact.present.is_(True)
    )
    for page in pages(categories):
        for category, thing in connection.execute(mine.where(ClassFact.category_id.in_(page))):
            told[category] = told.get(category) if thing is None else thing
    return told


def _alive(connection: Connection, categories: Sequence[int]) -> set[int]:
    alive = select(Category.id).where(Category.retired_at.is_(None))
    return {
        one for page in pages(categories) for one in connection.execute(alive.where(Category.id.in_(page))).scalars()
    }


def find_category(connection: Connection, name: str) -> int | None:
    """The row of the class that a name means, itself or as an alias, removed ones included; None where none has it."""
    key = name_key(name)
    return find_categories(connection, [key]).get(key)


def find_categories(connection: Connection, keys: list[str]) -> dict[str, int]:
    """Row id per name key, for the keys that are a class or an alias of one; merges are followed to their end."""
    found: dict[str, int] = {}
    for page in pages(keys):
        aliases = select(CategoryAlias.alias_key, CategoryAlias.category_id).where(CategoryAlias.alias_key.in_(page))
        found.update({row[0]: row[1] for row in connection.execute(aliases)})
        direct = select(Category.name_key, Category.id).where(Category.name_key.in_(page))
        found.update({row[0]: row[1] for row in connection.execute(direct)})
    ends = merged_into(connection)
    return {key: ends.get(category_id, category_id) for key, category_id in found.items()}
