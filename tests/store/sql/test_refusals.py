"""What a database refuses, as an error with a cure that fits it."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DatabaseError, OperationalError

from retclip.errors import StoreBusy, StoreDamaged, StoreError, StoreUnreachable
from retclip.store.sql.engine import transaction
from retclip.store.sql.refusals import REFUSALS, ConnectionLost, as_store_error
from retclip.store.sql.tables import Dataset


class ByServer(Exception):
    """As psycopg's errors are: a code, and words in the server's language."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("nicht verfügbar: locked, malformed, full")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("said", "kind", "cure"),
    [
        (sqlite3.OperationalError("database is locked"), StoreBusy, "wait for the other process"),
        (ByServer("55P03"), StoreBusy, "wait for the other process"),
        (ByServer("40P01"), StoreBusy, "wait for the other process"),
        (sqlite3.DatabaseError("database disk image is malformed"), StoreDamaged, "from a backup"),
        (sqlite3.DatabaseError("malformed database schema (image)"), StoreDamaged, "from a backup"),
        (sqlite3.DatabaseError("file is not a database"), StoreDamaged, "from a backup"),
        (sqlite3.OperationalError("Could not decode to UTF-8 column 'name'"), StoreDamaged, "from a backup"),
        (ByServer("XX001"), StoreDamaged, "from a backup"),
        (ByServer("XX002"), StoreDamaged, "from a backup"),
        (sqlite3.OperationalError("database or disk is full"), StoreError, "make room on its disk"),
        (ByServer("53100"), StoreError, "make room on its disk"),
        (sqlite3.OperationalError("attempt to write a readonly database"), StoreError, "check its permissions"),
        (ByServer("25006"), StoreError, "name the one that may be written"),
        (sqlite3.OperationalError("unable to open database file"), StoreError, "permissions of the file"),
        (ByServer("42501"), StoreError, "or of the account"),
        (sqlite3.OperationalError("disk I/O error"), StoreError, "make room on the disk that holds the catalog"),
        (ByServer("58030"), StoreError, "else check it"),
        (ByServer("57014"), StoreError, "less to do"),
        (ByServer("22001"), StoreError, "see what the database says"),
    ],
    ids=str,
)
def test_each_refusal_has_its_cure(said: Exception, kind: type, cure: str) -> None:
    error = as_store_error(DatabaseError("UPDATE x", {}, said))
    assert type(error) is kind and cure in error.todo and str(said) in error.got
    if kind is not StoreDamaged:
        assert "doctor" not in error.todo, "which would only say the same again"


def test_a_broken_connection_is_one_whatever_the_database_said_last() -> None:
    error = as_store_error(OperationalError("x", {}, ByServer("57P01"), connection_invalidated=True))
    assert type(error) is ConnectionLost and isinstance(error, StoreUnreachable)


def test_every_kind_of_refusal_is_tried_above() -> None:
    told = next(mark.args[1] for mark in test_each_refusal_has_its_cure.pytestmark)
    errors = [DatabaseError("x", {}, said) for said, *_ in told]
    assert all(any(refusal.tells(error) for error in errors) for refusal in REFUSALS)


def test_a_full_disk_changes_nothing_and_says_what_to_do(sqlite_work, made) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    with pytest.raises(StoreError, match="make room on its disk"), transaction(store.engine, write=True) as connection:
        connection.execute(text("PRAGMA max_page_count = 1"))  # as many as there are
        connection.execute(insert(Dataset), [{"name": f"d{n}", "uri": "x" * 9000} for n in range(50)])
    assert made.ask(store, "SELECT name FROM dataset") == [("drawn",)]
