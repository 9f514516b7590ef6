"""Databases set up as promised, and every refusal a typed error: no hang, no traceback, no password on a screen."""

from __future__ import annotations

import os
import traceback

import pytest
from sqlalchemy import text

from retclip.errors import ConfigError, RetCLIPError, StoreBusy, StoreError
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.sql import engine as module
from retclip.store.sql import schema
from retclip.store.sql.engine import open_engine, transaction, write

SECRET = "hunter2secret"


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Wait a moment, not seconds, for another writer."""
    pragmas = tuple("busy_timeout=50" if one.startswith("busy_timeout") else one for one in module.SQLITE_PRAGMAS)
    monkeypatch.setattr(module, "SQLITE_PRAGMAS", pragmas)
    monkeypatch.setattr(
        module, "POSTGRES_OPTIONS", module.POSTGRES_OPTIONS.replace("lock_timeout=2s", "lock_timeout=50ms")
    )


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://ann:{SECRET}@host/name",
        f"postgresql+psycopg://ann:{SECRET}@host:port/name",
        f"postgresql+psycopg://ann:{SECRET}@[::1/name",
        f"postgresql+nodriver://ann:{SECRET}@host/name",
        f"sqlite+nodriver://{SECRET}",
        f"postgresql:/{SECRET}",
        f"://{SECRET}",
        SECRET,
        "",
    ],
)
def test_a_url_that_cannot_be_is_a_typed_error_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(url)
    shown = "".join(traceback.format_exception(caught.value))
    assert "database URL" in caught.value.expected and "store.database" in caught.value.todo
    assert SECRET not in shown, "not even in a traceback's chain of causes"


def test_a_missing_driver_is_named(monkeypatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(module, "create_engine", absent)
    with pytest.raises(ConfigError, match=r"psycopg.*retclip\[postgresql\]"):
        open_engine(f"postgresql+psycopg://ann:{SECRET}@host/name")


@pytest.mark.parametrize("options", ["", "?nonsense=1"])
def test_a_server_that_does_not_answer(tmp_path, options: str) -> None:
    database = f"postgresql+psycopg://ann:{SECRET}@127.0.0.1:1/name{options}"
    for attempt in (FeatureStore.create, FeatureStore.open):
        (tmp_path / "store" / "archive").mkdir(parents=True, exist_ok=True)
        if attempt == FeatureStore.create:
            (tmp_path / "store" / "archive").rmdir()
        with pytest.raises(StoreError) as caught:
            attempt(tmp_path / "store", StoreOptions(database=database))
        assert SECRET not in str(caught.value)


def test_sqlite_is_set_up_to_be_safe(sqlite_work) -> None:
    with transaction(sqlite_work.open().engine) as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "trusted_schema")
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked}
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "trusted_schema": 0,
    }


def test_only_what_a_power_loss_may_take_does_not_wait_for_the_disk(sqlite_work) -> None:
    engine = sqlite_work.open().engine

    def waits(connection):
        return connection.exec_driver_sql("PRAGMA synchronous").scalar()

    assert [write(engine, waits, durable=durable) for durable in (True, False, True)] == [2, 1, 2]


def test_postgresql_is_set_up_to_be_polite(cluster) -> None:
    with transaction(open_engine(cluster.database())) as connection:
        asked = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        found = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in asked]
    assert found == ["2s", "2min", "1min"]


def test_a_second_writer_is_told_that_the_store_is_busy(work, impatient) -> None:
    store = work.open()
    work.fill(store, [1])
    change = text("UPDATE dataset SET uri = :uri")
    with transaction(store.engine, write=True) as first:
        first.execute(change, {"uri": "first"})
        other = open_engine(store.engine.url)
        with pytest.raises(StoreBusy, match="free for writing"), transaction(other, write=True) as second:
            second.execute(change, {"uri": "second"})
        with transaction(other) as reader:
            assert reader.execute(text("SELECT uri FROM dataset")).scalar() == "test:", "readers are not held up"
    with transaction(other, write=True) as second:
        second.execute(change, {"uri": "second"})  # the same engine works once the first is done
    other.dispose()


def test_migrating_a_busy_store_says_so(sqlite_work, impatient) -> None:
    store = sqlite_work.open()
    other = open_engine(store.engine.url)
    with transaction(store.engine, write=True), pytest.raises(StoreBusy):
        schema.downgrade(other, "base")
    other.dispose()


def test_a_block_that_fails_changes_nothing(work) -> None:
    store = work.open()
    work.fill(store, [1])
    with pytest.raises(ZeroDivisionError), transaction(store.engine, write=True) as connection:
        connection.execute(text("DELETE FROM outbox"))
        raise ZeroDivisionError
    with transaction(store.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM outbox")).scalar() == 1


def test_the_word_locked_in_a_value_is_no_lock(work) -> None:
    """A statement's values stand in SQLAlchemy's message: a photo called locked.jpg must not look like a busy store."""
    store = work.open()
    with pytest.raises(RetCLIPError) as caught, transaction(store.engine) as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE uri = :uri"), {"uri": "database is locked.jpg"})
    assert type(caught.value) is StoreError


def test_a_file_that_is_no_database(tmp_path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "catalog.sqlite").write_bytes(b"a letter to my aunt, " * 100)
    with pytest.raises(StoreError, match="not a database"):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize("name", ["what?", "50%", "a#b", "two words", "photos?mode=ro", "grün", "%41"])
def test_a_folder_may_be_called_anything(tmp_path, name: str) -> None:
    with FeatureStore.create(tmp_path / name) as store:
        assert store.classes.all() == []
    assert (tmp_path / name / "catalog.sqlite").is_file()
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.fixture
def locked_away(sqlite_work, made, monkeypatch):
    """A store where nothing can be written, as the system says it: a process of root may write anywhere."""
    made.commit(sqlite_work.open(), made.unit(1))
    sqlite_work.close()
    monkeypatch.setattr(module.os, "access", lambda path, mode: mode != os.W_OK)
    return sqlite_work.folder


def test_a_store_that_cannot_be_written_can_be_read(locked_away) -> None:
    before = sorted(path.name for path in locked_away.iterdir())
    with FeatureStore.open(locked_away, StoreOptions(index="resident")) as store:
        assert [one.segments for one in store.classes.all()] == [2, 2, 2]
        assert store.projection().index.count() == 6
        with (
            pytest.raises(StoreError, match="a store that can be written"),
            transaction(store.engine, write=True) as connection,
        ):
            connection.execute(text("DELETE FROM segment"))
    assert sorted(path.name for path in locked_away.iterdir()) == before, "no log, no lock"


def test_changes_that_only_the_log_holds_are_not_passed_over(locked_away) -> None:
    (locked_away / "catalog.sqlite-wal").write_bytes(b"changes")
    with pytest.raises(StoreError, match="changes left in"):
        FeatureStore.open(locked_away)
