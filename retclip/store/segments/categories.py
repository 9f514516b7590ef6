"""Classes by name: the key under which two spellings are one class, and the rows behind it.

A name that is an alias means its class; a class merged into another means that one. Names live only here: a rename
writes no vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from retclip.names import checked_name, name_key
from retclip.store.history import class_facts
from retclip.store.sql.catalog import merged_into, rows_in
from retclip.store.sql.engine import insert_or_keep
from retclip.store.sql.tables import Category, CategoryAlias, ClassFact


@dataclass(frozen=True)
class StoredClasses:
    """Classes that have a row.

    ids: rows by name.
    new: names by row, of the classes that no fact names yet.
    """

    ids: Mapping[str, int]
    new: Mapping[int, str]


def ensure_categories(connection: Connection, names: Iterable[str]) -> StoredClasses:
    """Find the rows of names, and insert the unknown ones, which have no facts before `add_stored_facts`. Raises
    DataError for a new name that no class may have: SQLite would take what PostgreSQL refuses."""
    keys = {name: name_key(name) for name in names}
    ids, new = find_categories(connection, list(keys.values())), dict[int, str]()
    unknown: dict[str, str] = {}
    for name, key in keys.items():
        if key not in ids:
            unknown.setdefault(key, name)  # the first spelling counts
    if unknown:
        spelled = {key: checked_name(name, "a class to be stored") for key, name in unknown.items()}
        rows = [{"name": name, "name_key": key} for key, name in spelled.items()]
        connection.execute(insert_or_keep(connection, Category), rows)
        ids |= find_categories(connection, list(unknown))
        new = {ids[key]: name for key, name in spelled.items()}
    return StoredClasses({name: ids[key] for name, key in keys.items()}, new)


def add_stored_facts(
    connection: Connection, event: int, stored: StoredClasses, is_thing: Mapping[str, bool | None]
) -> None:
    """Add the facts that classes are stored, and whether they are things; once in an event, unless one was removed
    since.

    is_thing: by name; None if the source does not say.
    """
    is_thing_of = dict[int, bool | None]()
    for name, category in stored.ids.items():
        if is_thing_of.get(category) is None:
            is_thing_of[category] = is_thing.get(name)
    stated, alive = _stated(connection, event, list(is_thing_of)), _alive(connection, list(is_thing_of))
    facts = [
        {"category_id": category, "name": stored.new.get(category), "present": True, "is_thing": countable}
        for category, countable in sorted(is_thing_of.items())
        if category not in alive or category not in stated or (countable is not None and stated[category] is None)
    ]
    class_facts.add_facts(connection, event, facts)


def add_alias_facts(
    connection: Connection, event: Callable[[], int], stored: StoredClasses, synonyms: Mapping[str, Sequence[str]]
) -> None:
    """Add the facts that stored classes have further names, those that no class has.

    event: returns the number of the event.
    synonyms: by name.
    """
    aliases = {
        name_key(alias): (category, alias)
        for name, category in sorted(stored.ids.items())
        for alias in reversed(synonyms.get(name, ()))
    }
    free = aliases.keys() - find_categories(connection, list(aliases)).keys()
    facts = [{"category_id": aliases[key][0], "alias": aliases[key][1]} for key in sorted(free)]
    if facts:
        class_facts.add_facts(connection, event(), facts)


def _stated(connection: Connection, event: int, categories: Sequence[int]) -> dict[int, bool | None]:
    """Find the classes that an event states as stored, each with whether it is a thing."""
    stated = dict[int, bool | None]()
    query = select(ClassFact.category_id, ClassFact.is_thing).where(
        ClassFact.event_id == event, ClassFact.present.is_(True)
    )
    for category, is_thing in rows_in(connection, query, ClassFact.category_id, categories):
        stated[category] = stated.get(category) if is_thing is None else is_thing
    return stated


def _alive(connection: Connection, categories: Sequence[int]) -> set[int]:
    query = select(Category.id).where(Category.retired_at.is_(None))
    return {row.id for row in rows_in(connection, query, Category.id, categories)}


def find_category(connection: Connection, name: str) -> int | None:
    """Find the row of the class with a name or alias, a removed class included; None if there is none."""
    key = name_key(name)
    return find_categories(connection, [key]).get(key)


def find_categories(connection: Connection, keys: list[str]) -> dict[str, int]:
    """Find the rows of name keys that a class has as its name or alias; merges are followed to their end."""
    aliases = select(CategoryAlias.alias_key, CategoryAlias.category_id)
    ids = {row[0]: row[1] for row in rows_in(connection, aliases, CategoryAlias.alias_key, keys)}
    names = select(Category.name_key, Category.id)
    ids |= {row[0]: row[1] for row in rows_in(connection, names, Category.name_key, keys)}
    ends = merged_into(connection) if ids else {}
    return {key: ends.get(category_id, category_id) for key, category_id in ids.items()}
