"""A server that goes away: waited for outside COMMIT; inside it, its own memory of the transaction decides."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from retclip.errors import StoreUnreachable
from retclip.store.classes.class_edits import rename_class
from retclip.store.feature_store import FeatureStore
from retclip.store.sql import connections
from retclip.store.sql import engine as module
from retclip.store.sql.engine import open_engine, read, transaction, write

KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def database(cluster) -> str:
    """PostgreSQL alone: SQLite has no connection to lose."""
    return cluster.database()


@pytest.fixture
def store(light_work, made) -> FeatureStore:
    opened = light_work.open()
    made.commit(opened, made.unit(1))
    return opened


@pytest.fixture
def patient(monkeypatch):
    """How many seconds a server is waited for, and no pauses that a test would have to sit out."""

    def wait(seconds: float) -> None:
        monkeypatch.setattr(connections, "PATIENCE", seconds)
        monkeypatch.setattr(connections, "LONGEST_PAUSE", 0.01)

    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.0)
    return wait


class Flaky:
    """Stands for the way to a server: fails so often, then works."""

    def __init__(self, engine, failures: int) -> None:
        self.connect, self.left, self.tries = engine.connect, failures, 0

    def __call__(self):
        self.tries += 1
        if self.left:
            self.left -= 1
            raise OperationalError("connect", {}, ConnectionRefusedError("connection refused"))
        return self.connect()


def broken_off(store: FeatureStore) -> None:
    """The server ends every connection of ours but the one that asks it to."""
    other = open_engine(store.engine.url)
    with transaction(other) as connection:
        connection.execute(text(KILL))
    other.dispose()


def test_a_server_that_comes_back_is_waited_for(store, patient, monkeypatch, caplog) -> None:
    patient(10)
    way = Flaky(store.engine, 3)
    monkeypatch.setattr(store.engine, "connect", way)
    assert {one.name for one in store.classes.all()} == {"car", "road", "tree"}
    assert way.tries == 4
    assert [record.message for record in caplog.records] == ["the database does not answer; trying for 10 seconds"]


def test_a_server_that_stays_away_is_told_with_a_cure_that_fits(store, patient, monkeypatch) -> None:
    patient(0.05)
    monkeypatch.setattr(store.engine, "connect", Flaky(store.engine, 1_000_000))
    with pytest.raises(StoreUnreachable, match=r"connection refused.*server runs.*what was stored stays") as caught:
        store.classes.all()
    assert "doctor" not in caught.value.todo


def test_an_address_where_nothing_ever_answered_is_told_at_once(tmp_path, patient) -> None:
    patient(1000)
    opened = open_engine("postgresql+psycopg://ann@127.0.0.1:1/name")
    with pytest.raises(StoreUnreachable, match=r"store\.database"), transaction(opened):
        pass


def test_a_connection_that_breaks_in_the_middle_costs_nothing(store, patient, made) -> None:
    patient(10)
    calls = []

    def change(connection) -> int:
        calls.append(len(calls))
        done = connection.execute(text("UPDATE category SET is_thing = NULL WHERE name = 'car'")).rowcount
        if len(calls) == 1:
            broken_off(store)
            connection.execute(text("SELECT 1"))
        return done

    assert write(store.engine, change) == 1 and len(calls) == 2
    assert made.ask(store, "SELECT count(*) FROM category WHERE is_thing IS NULL") == [(1,)]


def test_a_question_is_asked_again_where_the_connection_broke(store, patient) -> None:
    patient(10)
    calls = []

    def question(connection) -> int:
        calls.append(len(calls))
        if len(calls) == 1:
            broken_off(store)
        return connection.execute(text("SELECT count(*) FROM segment")).scalar()

    assert read(store.engine, question) == 6 and len(calls) == 2


def at_commit(monkeypatch, before, after=lambda: None) -> None:
    """What happens at the moment of the next COMMIT, before and after the server has it."""
    from sqlalchemy.engine.default import DefaultDialect

    original, left = DefaultDialect.do_commit, [None]

    def commit(self, connection) -> None:
        if not left:
            return original(self, connection)
        left.pop()
        before()
        original(self, connection)
        after()
        connection.dbapi_connection.close()
        raise connection_lost()

    monkeypatch.setattr(DefaultDialect, "do_commit", commit)


def connection_lost() -> Exception:
    import psycopg

    return psycopg.OperationalError("server closed the connection unexpectedly")


def test_a_commit_that_the_server_had_is_done_and_not_done_again(store, patient, monkeypatch, edit, made) -> None:
    """Done twice, the rename would fail: the name is taken, by itself."""
    patient(10)
    at_commit(monkeypatch, before=lambda: None)
    event = edit(store, rename_class, "car", "auto").event
    assert {one.name for one in store.classes.all()} == {"auto", "road", "tree"}
    assert made.ask(store, "SELECT id FROM event WHERE action = 'class.rename'") == [(event,)]


def test_a_commit_that_the_server_never_had_is_done_again(store, patient, monkeypatch, edit, made) -> None:
    patient(10)
    at_commit(monkeypatch, before=lambda: broken_off(store))
    edit(store, rename_class, "car", "auto")
    assert {one.name for one in store.classes.all()} == {"auto", "road", "tree"}
    assert len(made.ask(store, "SELECT id FROM event WHERE action = 'class.rename'")) == 1


def test_a_commit_of_which_nobody_can_say_is_not_repeated(store, patient, monkeypatch, edit) -> None:
    patient(0.05)
    way = Flaky(store.engine, 0)
    monkeypatch.setattr(store.engine, "connect", way)

    def cut() -> None:
        way.left = 1_000_000

    at_commit(monkeypatch, before=lambda: None, after=cut)
    with pytest.raises(StoreUnreachable, match=r"no word whether it was stored.*class history"):
        edit(store, rename_class, "car", "auto")
    way.left = 0
    assert {one.name for one in store.classes.all()} == {"auto", "road", "tree"}
