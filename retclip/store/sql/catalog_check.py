"""Whether the catalog itself is whole: what the database says of its files, rows whose parent is gone, rows that do not
say what they once said (`seals`). Nothing may be copied from a catalog that is not.

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
# What SQLite says where a table is whole and its index is not. A wrong number of entries alone may mean lost rows.
OF_INDEX = re.compile(r"(?:row \d+ (?:missing from|values differ from)|non-unique entry in) index (\w+)$")
NUMBER_OF = re.compile(r"wrong # of entries in index (\w+)$")
NOT_ALLOWED, CORRUPTED = "42501", "XX"  # of PostgreSQL's codes
Answer = TypeVar("Answer")
NO_AMCHECK = "indexes not checked: CREATE EXTENSION amcheck, and grant this account its functions"


def check_catalog(engine: Engine) -> CatalogState:
    """Look at everything; changes nothing. Raises StoreUnreachable, and StoreBehind for another schema's."""
    said, structure = _asked(engine, _structure)
    found = said or _Structure()
    if not structure and not found.structure:
        require_head(engine)  # or there are other tables than those that are known here
    broken, unread = _asked(engine, broken_rows)
    orphans, unknown = _asked(engine, lambda connection: list(_orphans(connection)))
    structure += [*found.structure, *unread]
    if not found.indexes:  # through a damaged index nobody finds a parent; it is made again first
        structure += unknown
    return CatalogState(
        tuple(dict.fromkeys(structure)), tuple(found.indexes), tuple(orphans or ()), broken or {}, found.checked
    )


def remake_indexes(engine: Engine) -> None:
    """Make every index of the catalog again from its table. Raises StoreError."""

    def remake(connection: Connection) -> None:
        sqlite = connection.dialect.name == "sqlite"
        for statement in ("REINDEX",) if sqlite else (f"REINDEX TABLE {one}" for one in sorted(Base.metadata.tables)):
            connection.exec_driver_sql(statement)

    write(engine, remake)


@dataclass(frozen=True)
class _Structure:
    structure: Sequence[str] = ()
    indexes: Sequence[str] = ()
    checked: str = ""


def _asked(engine: Engine, question: Callable[[Connection], Answer]) -> tuple[Answer | None, list[str]]:
    """The answer, or what the database said instead of one."""
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
    found = [line for row in rows for line in str(row).splitlines() if line != "ok" and not line.startswith("***")]
    hurt = {match[1] for line in found if (match := OF_INDEX.match(line))}
    indexes = [
        line for line in found if OF_INDEX.match(line) or ((match := NUMBER_OF.match(line)) and match[1] in hurt)
    ]
    others = [line for line in found if line not in indexes]
    return _Structure(others, indexes, "SQLite's integrity check, every parent, the checksum of every row")


def _postgresql(connection: Connection) -> _Structure:
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large index takes longer than a question may
    sums = connection.exec_driver_sql("SHOW data_checksums").scalar()
    installed = text("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'amcheck'")
    where, found, looked = connection.execute(installed).scalar(), list[str](), 0
    for name in _btrees(connection) if where else ():
        check = text(f"SELECT {where}.bt_index_check(CAST(:name AS regclass), true)")
        try:
            with connection.begin_nested():
                connection.execute(check, {"name": name})
            looked += 1
        except DBAPIError as error:
            code = str(getattr(error.orig, "sqlstate", None))
            if code == NOT_ALLOWED:
                break
            if not code.startswith(CORRUPTED):
                raise
            found.append(f"{name}: {str(error.orig).splitlines()[0]}")
    told = f"amcheck of {looked} indexes" if looked or found else NO_AMCHECK
    return _Structure((), found, f"every parent, the checksum of every row; data checksums {sums}; {told}")


def _btrees(connection: Connection) -> list[str]:
    query = text(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "JOIN pg_am ON pg_am.oid = relam WHERE amname = 'btree' AND indisvalid "
        "AND indrelid::regclass::text = ANY(:tables) ORDER BY 1"
    )
    return list(connection.execute(query, {"tables": sorted(Base.metadata.tables)}).scalars())


def _orphans(connection: Connection) -> Iterator[str]:
    """Asked table by table, alike on both databases."""
    for table in Base.metadata.sorted_tables:
        for key in sorted(table.foreign_key_constraints, key=lambda one: tuple(one.column_keys)):
            parent = key.referred_table.alias("parent")
            there = exists().where(*(parent.c[one.column.name] == one.parent for one in key.elements))
            refers = (one.parent.is_not(None) for one in key.elements)
            query = select(func.count()).select_from(table).where(*refers, ~there)
            if count := connection.execute(query).scalar_one():
                yield f"{count} rows of {table.name} whose {key.referred_table.name} is gone"
