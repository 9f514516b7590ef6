"""Classes by name: the key under which two spellings are one class, and the rows behind it.

A name that is an alias means its class; a class merged into another means that one. Names live only here: a rename
writes no vector.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from retclip.names import checked_name, name_key
from retclip.store.sql.catalog import merged_into, pages
from retclip.store.sql.engine import insert_or_keep
from retclip.store.sql.tables import Category, CategoryAlias


def ensure_categories(connection: Connection, names: Mapping[str, bool | None]) -> dict[str, int]:
    """Row id per name, inserting the unknown ones; values say whether a class is a thing (None = nobody knows). Raises
    DataError for a new name that no class may have: SQLite would take what PostgreSQL refuses."""
    keys = {name: name_key(name) for name in names}
    found = find_categories(connection, list(keys.values()))
    unknown: dict[str, str] = {}
    for name, key in keys.items():
        if key not in found:
            unknown.setdefault(key, name)  # the first spelling counts
    if unknown:
        spelled = {key: checked_name(name, "a class to be stored") for key, name in unknown.items()}
        rows = [{"name": spelled[key], "name_key": key, "is_thing": names[name]} for key, name in unknown.items()]
        connection.execute(insert_or_keep(connection, Category), rows)
        found |= find_categories(connection, list(unknown))
    for kind in (True, False):
        for page in pages([found[key] for name, key in keys.items() if names[name] is kind]):
            unsaid = update(Category).where(Category.id.in_(page), Category.is_thing.is_(None))
            connection.execute(unsaid.values(is_thing=kind))
    for page in pages(list(found.values())):  # a removed class that is stored again is there again
        again = update(Category).where(Category.id.in_(page), Category.retired_at.is_not(None))
        connection.execute(again.values(retired_at=None))
    return {name: found[key] for name, key in keys.items()}


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
