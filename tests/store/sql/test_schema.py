"""Migrations: up, down, up again on both databases; the tables and the newest migration say the same."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect, text

from retclip.errors import RetCLIPError, StoreBehind, StoreDamaged
from retclip.store.feature_store import FeatureStore
from retclip.store.history import class_facts, events, segment_facts
from retclip.store.sql import schema, seals
from retclip.store.sql.columns import Base
from retclip.store.sql.engine import open_engine, transaction
from retclip.store.sql.tables import SCHEMA_HEAD
from retclip.store.states import Action


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


def test_the_chain_of_events_comes_and_goes_with_the_data_there(light_work, made) -> None:
    """Down: the rows as an earlier program kept them, a retired segment hidden. Up: one link for each event."""
    store = light_work.open()
    light_work.fill(store, range(3))  # two commits, one event
    ids = made.ids(store, "id = 1")
    store.classes.rename("car", "van", "ann")
    store.segments.quarantine([*ids.values()], "ann")
    with transaction(store.engine, write=True) as connection:
        event = events.add(connection, "bob", Action.RETIRE, "a segment", reason="blurred")
        segment_facts.add_same_fact(connection, event, [2], retired=True)
    kept = {table: made.ask(store, f"SELECT * FROM {table} ORDER BY id") for table in ("segment", "class_fact")}
    logged = [(one.id, one.at, one.actor, one.action, one.target) for one in store.history.log()]
    assert store.history.chain_head()[0] == 5
    made.change_unguarded(store, "UPDATE event SET target = 'a van' WHERE id = 2", "event")  # damage before
    schema.downgrade(store.engine, "0012")
    assert not {"chain_link"} & set(inspect(store.engine).get_table_names())
    assert made.ask(store, "SELECT hidden FROM segment_fact WHERE event_id = 4") in ([(1,)], [(True,)])
    assert made.ask(store, "SELECT action FROM event WHERE id = 4") == [("segment.quarantine",)]
    with pytest.raises(RetCLIPError, match="append-only"), transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE segment_fact SET hidden = NULL"))
    schema.upgrade(store.engine)
    assert schema.differences(store.engine) == []
    with transaction(store.engine) as connection:
        assert seals.broken_rows(connection) == {"event": [(2,)]}  # still told
        assert segment_facts.stale(connection) == [2] and class_facts.stale(connection) == []
    for table, rows in kept.items():
        assert made.ask(store, f"SELECT * FROM {table} ORDER BY id") == rows
    logged[1] = (*logged[1][:4], "a van")
    logged[3] = (*logged[3][:3], "segment.quarantine", "a segment")
    assert [(one.id, one.at, one.actor, one.action, one.target) for one in store.history.log()] == logged
    state = store.history.check_chain()
    assert (state.links, state.broken) == (4, None) and store.history.log()[3].reason == ""
    store.undo(4, "ann")
    assert store.history.check_chain().whole and store.history.chain_head()[0] == 5


def test_rejections_come_into_the_chain_and_out_of_it_with_the_data_there(light_work, made) -> None:
    """Down: the chain is whole without them, old links as they were. Up: a link more for each event that rejects."""
    store = light_work.open()
    light_work.fill(store, [0])
    ids = made.ids(store)
    store.segments.reject([ids["road", 0], ids["road", 1]], "car", "ann")
    store.classes.rename("car", "van", "ann")
    store.segments.reject([ids["tree", 0]], "van", "bob")
    hashes = made.ask(store, "SELECT hash FROM chain_link ORDER BY number")
    facts = made.ask(store, "SELECT * FROM rejection_fact ORDER BY id")
    schema.downgrade(store.engine, "0015")
    assert made.ask(store, "SELECT hash FROM chain_link ORDER BY number")[0] == hashes[0]
    assert made.ask(store, "SELECT COUNT(*) FROM chain_link") == [(4,)]
    with pytest.raises(RetCLIPError, match="append-only"), transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE chain_link SET hash = previous"))
    before = made.ask(store, "SELECT hash FROM chain_link ORDER BY number")
    schema.upgrade(store.engine)
    assert schema.differences(store.engine) == []
    state = store.history.check_chain()
    assert state.whole and state.links == 6
    assert made.ask(store, "SELECT hash FROM chain_link ORDER BY number")[:4] == before
    added = "SELECT number, event_id, adds_event, rejection_facts FROM chain_link WHERE number > 4 ORDER BY number"
    assert [(*row[:2], bool(row[2]), row[3]) for row in made.ask(store, added)] == [
        (5, 2, False, "1-2"), (6, 4, False, "3")
    ]  # fmt: skip
    assert made.ask(store, "SELECT * FROM rejection_fact ORDER BY id") == facts
    with transaction(store.engine) as connection:
        assert seals.broken_rows(connection) == {}
    store.undo(4, "ann")
    assert store.history.check_chain().whole and store.segments.rejected() == {"van": (ids["road", 0], ids["road", 1])}


def test_what_was_changed_before_a_downgrade_is_still_told(light_work, made) -> None:
    """A changed rejection is not hidden by the new hashes; nor is its link's."""
    store = light_work.open()
    light_work.fill(store, [0])
    store.segments.reject([made.ids(store)["road", 0]], "car", "ann")
    store.classes.rename("car", "van", "ann")
    made.change_unguarded(store, "UPDATE rejection_fact SET holds = false", "rejection_fact")
    schema.downgrade(store.engine, "0015")
    schema.upgrade(store.engine)
    broken = store.history.check_chain().broken
    assert broken is not None and (broken.link, broken.fault) == (2, "changed")


def test_upgrading_twice_changes_nothing(work) -> None:
    store = work.open()
    work.fill(store, range(3))
    schema.upgrade(store.engine)
    assert sum(one.segments for one in store.classes.all()) == 18


@pytest.mark.parametrize("revision", ["0001", "0009"])
def test_a_store_of_the_earlier_layout_is_told_to_be_built_again(sqlite_work, revision: str) -> None:
    store = sqlite_work.open()
    with transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :old"), {"old": revision})
    for asked in (lambda: FeatureStore.open(sqlite_work.folder), lambda: schema.upgrade(store.engine)):
        with pytest.raises(StoreBehind, match=rf"{revision}: .* earlier layout.*build its sources again into a new"):
            asked()


def test_a_store_of_another_schema_is_refused(sqlite_work) -> None:
    store = sqlite_work.open()
    with transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreBehind, match="9999, of a newer program; install a newer") as refused:
        FeatureStore.open(sqlite_work.folder)
    assert "db upgrade" not in str(refused.value)
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


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET actor = 'someone else'",
        "DELETE FROM event",
        "UPDATE segment_fact SET present = NULL",
        "UPDATE segment_fact SET event_id = event_id",
        "UPDATE class_fact SET name = 'van'",
        "UPDATE mask SET area = area + 1",
        "UPDATE event SET reason = 'none'",
        "UPDATE segment_fact SET retired = true",
        "UPDATE chain_link SET hash = previous",
        "UPDATE chain_link SET rejection_facts = '1'",
        "DELETE FROM chain_link",
    ],
)
def test_what_was_said_can_only_be_added_to(work, made, statement: str) -> None:
    store = work.open()
    work.fill(store, [1])
    said = [
        f"SELECT * FROM {table} ORDER BY 1, 2"
        for table in ("event", "segment_fact", "class_fact", "mask", "chain_link")
    ]
    before = [made.ask(store, one) for one in said]
    with pytest.raises(RetCLIPError, match="append-only"), transaction(store.engine, write=True) as connection:
        connection.execute(text(statement))
    assert [made.ask(store, one) for one in said] == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE segment SET status = 7",
        "UPDATE segment SET mask_no = NULL",
        "UPDATE segment SET confidence = 1.5",
        "UPDATE segment SET label_source = 'hearsay'",
        "INSERT INTO mask SELECT segment_id, 2, x, y, width, height, 0, rle, seal FROM mask",
        "INSERT INTO segment_fact (event_id, segment_id, category_id) VALUES (1, 1, 1)",
        "INSERT INTO segment_fact (event_id, segment_id, present) VALUES (99, 1, true)",
        "INSERT INTO event (at, actor, action, target) VALUES ('2026-01-01 00:00:00', 'ann', 'undo', '1')",
        "INSERT INTO event (at, actor, action, target) VALUES ('2026-01-01 00:00:00', 'ann', 'hearsay', '1')",
        "UPDATE segment SET detector_score = 1.5",
        "UPDATE segment SET mask_score = -0.5",
        "UPDATE image SET width = 0",
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
