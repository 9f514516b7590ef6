"""Database engines: SQLite set up to be safe, PostgreSQL set up to be polite.

SQLite: WAL, synchronous=FULL (a commit survives power loss), foreign keys on; writers begin IMMEDIATE, because a
deferred begin that turns into a write fails with BUSY_SNAPSHOT instead of waiting (stores.md section 3).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, Insert, RootTransaction, create_engine, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import NullPool

from retclip.errors import ConfigError, StoreBusy, StoreDamaged, StoreError
from retclip.store.findings import RESTORE
from retclip.store.sql.chain_links import ADDED, AddedRows, append_links
from retclip.store.sql.connections import CONNECTING, connected, transaction_number, was_committed
from retclip.store.sql.refusals import ConnectionLost, refusals
from retclip.store.sql.row_checksum import SEAL
from retclip.store.sql.seals import broken_rows, seal_rows

SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "trusted_schema=OFF")
POSTGRES_OPTIONS = "-c lock_timeout=2s -c statement_timeout=120s -c idle_in_transaction_session_timeout=60s"
TRIES = 5  # of a transaction that other writers are in the way of
LONGEST_PAUSE = 1.0  # seconds between two of them
Done = TypeVar("Done")
WRITERS = 0x52657443  # the number of our advisory lock; any will do, as long as it stays
URL_FORMS = "a database URL like sqlite:////DIR/catalog.sqlite or postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME"


def open_engine(url: str | URL) -> Engine:
    """Make an engine for `sqlite:///PATH` or `postgresql+psycopg://...`; connects to nothing yet.

    Raises ConfigError, which never quotes the URL: it may hold a password, and a malformed one may hold it anywhere.
    """
    todo = "set store.database (RETCLIP_STORE__DATABASE)"
    try:
        return _engine(make_url(url))
    except ImportError as error:
        raise ConfigError(
            "the database's driver", f"no module {error.name}", "pip install 'retclip[postgresql]', and " + todo
        ) from None
    except (ArgumentError, ValueError):
        raise ConfigError(URL_FORMS, "something else (not shown, it may hold a password)", todo) from None


def _engine(url: URL) -> Engine:
    kind = url.get_backend_name()
    if kind == "sqlite":
        read_only = _read_only(Path(url.database)) if url.database else False
        if read_only:
            how = {"mode": "ro", "immutable": "1", "uri": "true"}
            url = URL.create("sqlite", database=f"file:{quote(str(url.database))}", query=how)
        engine = create_engine(url, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _prepare_to_read if read_only else _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if kind == "postgresql":
        own = {key: value for key, value in CONNECTING.items() if key not in url.query}
        return create_engine(url, poolclass=NullPool, connect_args={**own, "options": POSTGRES_OPTIONS})
    raise ValueError(kind)


def _read_only(catalog: Path) -> bool:
    """Tell whether the catalog lies where nothing can be written, a mounted share say. SQLite then reads the file
    alone, without the changes in its log. Raises StoreError if there is such a log."""
    if not catalog.is_file() or (os.access(catalog, os.W_OK) and os.access(catalog.parent, os.W_OK)):
        return False
    log = catalog.with_name(f"{catalog.name}-wal")
    if log.exists() and log.stat().st_size:
        todo = "open the store once where it can be written, or copy it to such a place"
        raise StoreError(f"a catalog that was closed, to be read only: {catalog}", f"changes left in {log.name}", todo)
    return True


@contextmanager
def transaction(engine: Engine, write: bool = False, durable: bool = True) -> Iterator[Connection]:
    """Run the block in a transaction, committed at its end, with checksums for the rows that it wrote, and the links
    of the events and facts among them (`chain_links`).

    write: lock SQLite for writing at the start, and compute links and checksums.
    durable: wait until SQLite's commit survives a power loss.
    Raises StoreBusy, StoreDamaged, StoreUnreachable or StoreError on the database's refusal.
    """
    added = AddedRows()
    options = {"retclip_write": write, "retclip_durable": durable, **({ADDED: added} if write else {})}
    with refusals(), connected(engine).execution_options(**options) as connection:
        with _rolled_back(connection.begin()) as begun:
            yield connection
            if added.touched():
                one_writer_at_a_time(connection)
                append_links(connection, added)
            if write:
                seal_rows(connection)
            number = transaction_number(connection) if write else None
        try:
            begun.commit()
        except DBAPIError as error:
            if not error.connection_invalidated or (number and not was_committed(engine, number, error)):
                raise  # a lost connection that had changed nothing has lost nothing


@contextmanager
def _rolled_back(begun: RootTransaction) -> Iterator[RootTransaction]:
    """Roll the transaction back if the block raises; over a lost connection the server does it."""
    try:
        yield begun
    except BaseException:
        with suppress(DBAPIError):
            begun.rollback()
        raise


def read(engine: Engine, question: Callable[[Connection], Done]) -> Done:
    """Ask the catalog in a transaction of its own, again after a broken connection. Raises StoreError."""

    def once() -> Done:
        with transaction(engine) as connection:
            return question(connection)

    return _or_damage(engine, once)


def write(engine: Engine, change: Callable[[Connection], Done], durable: bool = True) -> Done:
    """Change the catalog in a transaction of its own, repeated by `retry_while_busy`. Raises whatever the change
    raises.

    durable: as `transaction` takes it.
    """

    def once() -> Done:
        with transaction(engine, write=True, durable=durable) as connection:
            return change(connection)

    return _or_damage(engine, once)


def _or_damage(engine: Engine, action: Callable[[], Done]) -> Done:
    """Run a transaction by `retry_while_busy`, and turn errors over damaged values into StoreDamaged. From a row with a
    damaged head SQLite gives text for a number. Raises the action's own error if no row is damaged."""
    try:
        return retry_while_busy(action)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        with transaction(engine) as connection:
            broken = broken_rows(connection)
        if not broken:
            raise
        got = f"{type(error).__name__}: {error}; other rows in {', '.join(broken)}"
        raise StoreDamaged("rows that are what was stored", got, RESTORE) from error


def retry_while_busy(action: Callable[[], Done]) -> Done:
    """Run a transaction, again while other writers are in its way, and after a connection that broke before its COMMIT.
    Raises StoreBusy, StoreUnreachable, StoreError."""
    with suppress(StoreBusy, ConnectionLost):
        return action()
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random  # only where it is needed

    again, pause = retry_if_exception_type((StoreBusy, ConnectionLost)), LONGEST_PAUSE
    time.sleep(random.uniform(0, pause))
    tries = Retrying(retry=again, stop=stop_after_attempt(TRIES - 1), wait=wait_random(0, pause), reraise=True)
    return tries(action)


def insert_or_keep(connection: Connection, table: type[DeclarativeBase]) -> Insert:
    """Make an INSERT that leaves an existing row alone, also one that another process is just inserting."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # only where it is the catalog's: it imports every driver's part

        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def insert_or_change(
    connection: Connection, table: type[DeclarativeBase], new: Mapping[str, Any], changes: Mapping[str, Any]
) -> Insert:
    """Make an INSERT that changes an existing row with the same primary key, also one that another process is just
    inserting: it waits for that. The table has checksums.

    new: the columns of the row.
    changes: those that an existing row gets.
    """
    keys, changes = list(table.__table__.primary_key), {**changes, SEAL: None}
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        row = postgresql.insert(table).values(**new)
        return row.on_conflict_do_update(index_elements=keys, set_=changes)
    return sqlite.insert(table).values(**new).on_conflict_do_update(index_elements=keys, set_=changes)


def one_writer_at_a_time(connection: Connection) -> None:
    """Let writers that call this wait for each other until the transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own transactions off: _begin_sqlite decides
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_to_read(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA trusted_schema=OFF")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    write = options.get("retclip_write", False)
    if write:  # a pooled connection may come from the other kind
        level = "FULL" if options.get("retclip_durable", True) else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
