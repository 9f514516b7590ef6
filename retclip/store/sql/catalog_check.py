"""Checks of the catalog itself: the database's own check of its files, rows whose parent is gone, rows that do not
match their checksum (`seals`). Nothing may be copied from a damaged catalog.

SQLite checks its whole file. PostgreSQL checks the pages that are read where its data checksums are on, and its indexes
where the extension amcheck is installed; without them every row is read all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, exists, func, select, text
from sqlalchemy.exc import DBAPIError

from retclip.errors import StoreError, StoreUnreachable
from retclip.store.findings import CatalogState
from retclip.store.sql.columns import Base
from retclip.store.sql.engine import read, write
from retclip.store.sql.schema import require_head
from retclip.store.sql.seals import broken_rows

MESSAGES = 1000  # of SQLite's check at most
# SQLite's messages about a whole table with a damaged index. A wrong number of entries alone may mean lost rows.
OF_INDEX = re.compile(r"(?:row \d+ (?:missing from|values differ from)|non-unique entry in) index (\w+)$")
NUMBER_OF = re.compile(r"wrong # of entries in index (\w+)$")
NOT_ALLOWED, CORRUPTED = "42501", "XX"  # of PostgreSQL's codes
Answer = TypeVar("Answer")
NO_AMCHECK = "indexes not checked: CREATE EXTENSION amcheck, and grant this account its functions"


def check_catalog(engine: Engine) -> CatalogState:
    """Check the whole catalog; changes nothing. Raises StoreUnreachable, and StoreBehind for another schema."""
    checked, structure = _ask(engine, _structure)
    database = checked or _Structure()
    if not structure and not database.structure:
        require_head(engine)  # or there are other tables than those that are known here
    broken, unread = _ask(engine, broken_rows)
    orphans, unknown = _ask(engine, lambda connection: list(_orphans(connection)))
    structure += [*database.structure, *unread]
    if not database.indexes:  # through a damaged index nobody finds a parent; it is made again first
        structure += unknown
    return CatalogState(
        tuple(dict.fromkeys(structure)), tuple(database.indexes), tuple(orphans or ()), broken or {}, database.checked
    )


def remake_indexes(engine: Engine) -> None:
    """Make every index of the catalog again from its table. Raises StoreError."""

    def remake(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("REINDEX")
            return
        for table in sorted(Base.metadata.tables):
            connection.exec_driver_sql(f"REINDEX TABLE {table}")

    write(engine, remake)


@dataclass(frozen=True)
class _Structure:
    structure: Sequence[str] = ()
    indexes: Sequence[str] = ()
    checked: str = ""


def _ask(engine: Engine, question: Callable[[Connection], Answer]) -> tuple[Answer | None, list[str]]:
    """Return the answer and no fault, or None and the fault that the database reports."""
    try:
        return read(engine, question), []
    except StoreUnreachable:
        raise
    except StoreError as error:
        return None, [error.got]


def _structure(connection: Connection) -> _Structure:
    return _sqlite(connection) if connection.dialect.name == "sqlite" else _postgresql(connection)


def _sqlite(connection: Connection) -> _Structure:
    rows = connection.exec_driver_sql(f"PRAGMA integrity_check({MESSAGES})").scalars().all()
    lines = [line for row in rows for line in str(row).splitlines() if line != "ok" and not line.startswith("***")]
    hurt = {match[1] for line in lines if (match := OF_INDEX.match(line))}
    indexes = [
        line for line in lines if OF_INDEX.match(line) or ((match := NUMBER_OF.match(line)) and match[1] in hurt)
    ]
    structure = [line for line in lines if line not in indexes]
    return _Structure(structure, indexes, "SQLite's integrity check, every parent, the checksum of every row")


def _postgresql(connection: Connection) -> _Structure:
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large index takes longer than a question may
    sums = connection.exec_driver_sql("SHOW data_checksums").scalar()
    installed = text("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'amcheck'")
    schema, damaged, count = connection.execute(installed).scalar(), list[str](), 0
    for name in _btrees(connection) if schema else ():
        check = text(f"SELECT {schema}.bt_index_check(CAST(:name AS regclass), true)")
        try:
            with connection.begin_nested():
                connection.execute(check, {"name": name})
            count += 1
        except DBAPIError as error:
            code = str(getattr(error.orig, "sqlstate", None))
            if code == NOT_ALLOWED:
                break
            if not code.startswith(CORRUPTED):
                raise
            damaged.append(f"{name}: {str(error.orig).splitlines()[0]}")
    looked_at = f"amcheck of {count} indexes" if count or damaged else NO_AMCHECK
    return _Structure((), damaged, f"every parent, the checksum of every row; data checksums {sums}; {looked_at}")


def _btrees(connection: Connection) -> list[str]:
    query = text(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "JOIN pg_am ON pg_am.oid = relam WHERE amname = 'btree' AND indisvalid "
        "AND indrelid::regclass::text = ANY(:tables) ORDER BY 1"
    )
    return list(connection.execute(query, {"tables": sorted(Base.metadata.tables)}).scalars())


def _orphans(connection: Connection) -> Iterator[str]:
    """Count the rows whose parent is gone, table by table, by the same queries on both databases."""
    for table in Base.metadata.sorted_tables:
        for key in sorted(table.foreign_key_constraints, key=lambda constraint: tuple(constraint.column_keys)):
            parent = key.referred_table.alias("parent")
            has_parent = exists().where(*(parent.c[element.column.name] == element.parent for element in key.elements))
            refers = (element.parent.is_not(None) for element in key.elements)
            query = select(func.count()).select_from(table).where(*refers, ~has_parent)
            if count := connection.execute(query).scalar_one():
                yield f"{count} rows of {table.name} whose {key.referred_table.name} is gone"
