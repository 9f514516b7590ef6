"""Migrations: up, down, up again on both databases; the tables and the newest migration say the same."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect, text

from retclip.errors import RetCLIPError, StoreBehind, StoreDamaged
from retclip.store.feature_store import FeatureStore
from retclip.store.sql import schema
from retclip.store.sql.columns import Base
from retclip.store.sql.engine import open_engine, transaction
from retclip.store.sql.tables import SCHEMA_HEAD


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request) -> str:
    """Without tables, for the migrations to make them."""
    return "" if request.param == "sqlite" else request.getfixturevalue("cluster").database()


def url_of(work) -> str:
    work.folder.mkdir(parents=True, exist_ok=True)
    return work.options.database or f"sqlite:///{work.folder / 'catalog.sqlite'}"


def test_the_program_speaks_the_newest_migration() -> None:
    assert schema.newest_revision() == SCHEMA_HEAD


def test_up_down_and_up_again(work) -> None:
    engine = open_engine(url_of(work))
    for _ in range(2):
        schema.upgrade(engine)
        assert schema.differences(engine) == []
        with transaction(engine) as connection:
            assert schema.current_revision(connection) == SCHEMA_HEAD
            assert set(Base.metadata.tables) <= set(inspect(connection).get_table_names())
        schema.downgrade(engine, "base")
        with transaction(engine) as connection:
            assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    engine.dispose()


def test_upgrading_twice_changes_nothing(work) -> None:
    store = work.open()
    work.fill(store, range(3))
    schema.upgrade(store.engine)
    assert sum(one.segments for one in store.classes.all()) == 18


def test_provenance_comes_to_an_older_store_and_every_row_stays(work, made) -> None:
    store = work.open()
    work.fill(store, range(3))
    made.change(store, "UPDATE segment SET detector_score = 0.5, mask_score = 0.25")
    everything = "SELECT id, prompt, ordinal, score, area, status FROM segment ORDER BY id"
    before, parts = made.ask(store, everything), ("label", "segment_feature", "unit", "run", "image")
    counted = [made.ask(store, f"SELECT count(*) FROM {table}") for table in parts]
    schema.downgrade(store.engine, "0002")
    with transaction(store.engine) as connection:
        columns = {one["name"] for table in ("segment", "run") for one in inspect(connection).get_columns(table)}
    assert not columns & {"detector_score", "mask_score", "components"}
    assert made.ask(store, everything) == before
    schema.upgrade(store.engine)
    assert schema.differences(store.engine) == [] and made.ask(store, everything) == before
    assert [made.ask(store, f"SELECT count(*) FROM {table}") for table in parts] == counted
    for one in store.segments.get(list(made.ids(store).values())).values():
        assert (one.detector_score, one.mask_score, one.components) == (None, None, {})
        assert (one.proposer, one.proposer_version, one.score) == (made.proposer, "1", 1.0)
    with pytest.raises(RetCLIPError), transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE segment SET area = 0"))  # the CHECKs that were there are there still
    work.fill(store, range(4))
    assert sum(one.segments for one in store.classes.all()) == 24


def test_a_store_of_the_first_schema_is_brought_up_and_back_with_its_rows(work, made) -> None:
    engine = open_engine(url_of(work))
    schema.upgrade(engine, "0001")
    with engine.begin() as connection:  # without the checksums that rows have today
        connection.execute(text("INSERT INTO category (name, name_key) VALUES ('Car', 'car')"))
    schema.upgrade(engine)
    with transaction(engine, write=True) as connection:
        columns = (
            "query, query_key, matched, dataset, source, how, encoder, threshold, decision, decided_by, at, reason"
        )
        values = "'Auto', 'auto', 'Car', '', '', 'map', '', 0.95, 'accepted', 'ann', '2026-01-01 00:00:00', ''"
        connection.execute(text(f"INSERT INTO class_match ({columns}) VALUES ({values})"))
    schema.downgrade(engine, "0001")
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT name FROM category")).scalars().all() == ["Car"]
        assert "class_match" not in inspect(connection).get_table_names()
    schema.upgrade(engine)
    assert schema.differences(engine) == []
    engine.dispose()


def test_a_store_of_another_schema_is_refused(sqlite_work) -> None:
    store = sqlite_work.open()
    with transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreBehind, match="9999"):
        FeatureStore.open(sqlite_work.folder)
    assert FeatureStore.open(sqlite_work.folder, check_schema=False).folder == sqlite_work.folder


def test_a_database_without_tables_is_refused(sqlite_work) -> None:
    (sqlite_work.folder / "archive").mkdir(parents=True)
    (sqlite_work.folder / "catalog.sqlite").touch()
    with pytest.raises(StoreDamaged, match="without tables"):
        FeatureStore.open(sqlite_work.folder)


def test_a_revision_of_another_program_cannot_be_upgraded(sqlite_work) -> None:
    store = sqlite_work.open()
    with transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreBehind, match=r"9999.*program version that wrote"):
        schema.upgrade(store.engine)


def test_check_sees_a_difference(sqlite_work) -> None:
    store = sqlite_work.open()
    with transaction(store.engine, write=True) as connection:
        connection.execute(text("ALTER TABLE dataset ADD COLUMN strange INTEGER"))
    assert any("strange" in one for one in schema.differences(store.engine))


@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'someone else'", "DELETE FROM event"])
def test_events_can_only_be_added(work, statement: str) -> None:
    from retclip.store.classes import events

    store = work.open()
    with transaction(store.engine, write=True) as connection:
        events.record(connection, "ann", "class.add", "car", {}, {"segments": 3})
    with pytest.raises(RetCLIPError), transaction(store.engine, write=True) as connection:
        connection.execute(text(statement))
    with transaction(store.engine) as connection:
        found = events.latest(connection)
    assert [(one["actor"], one["action"], one["after"]) for one in found] == [("ann", "class.add", {"segments": 3})]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE segment SET status = 7",
        "UPDATE segment SET area = 0",
        "UPDATE segment SET detector_score = 1.5",
        "UPDATE segment SET mask_score = -0.5",
        "UPDATE image SET width = 0",
        "UPDATE label SET confidence = 1.5",
        "UPDATE label SET source = 'hearsay'",
        "UPDATE segment SET category_id = 12345",
        "INSERT INTO category (name, name_key) VALUES ('Car', 'car')",
    ],
)
def test_the_database_itself_refuses_what_cannot_be(work, statement: str) -> None:
    store = work.open()
    work.fill(store, [1])
    with pytest.raises(RetCLIPError), transaction(store.engine, write=True) as connection:
        connection.execute(text(statement))
    assert {one.name for one in store.classes.all()} == {"road", "car", "tree"}
