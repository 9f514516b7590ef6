"""A catalog that is whole is said to be; one whose rows, parents or indexes are damaged is not, on both databases."""

from __future__ import annotations

import sqlite3
from uuid import UUID

import pytest
from sqlalchemy import text

from retclip.errors import StoreBehind, StoreDamaged
from retclip.store.feature_store import FeatureStore
from retclip.store.findings import CatalogState
from retclip.store.sql import catalog_check as module
from retclip.store.sql.catalog_check import check_catalog, remake_indexes
from retclip.store.sql.engine import read, transaction


def sqlite_file(store) -> str:
    """The catalog's path, nobody holding it."""
    store.close()
    return str(store.folder / "catalog.sqlite")


def turn(store, old: bytes, new: bytes) -> None:
    """Exchange bytes in the closed catalog, at the first place where they stand."""
    with sqlite3.connect(sqlite_file(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = (store.folder / "catalog.sqlite").read_bytes()
    assert len(old) == len(new) and old in content
    (store.folder / "catalog.sqlite").write_bytes(content.replace(old, new, 1))


def test_a_whole_catalog_is_whole_and_it_is_said_how_it_was_looked_at(store) -> None:
    state = check_catalog(store.engine)
    assert state.whole and state.rows_whole
    assert "the checksum of every row" in str(state)
    looked = "SQLite's integrity check" if store.engine.dialect.name == "sqlite" else "data checksums off; indexes not"
    assert looked in str(state)


def test_a_row_that_was_changed_is_named(store, made) -> None:
    made.change(store, "UPDATE segment SET score = 0.5, ordinal = 3 WHERE id IN (2, 5)")
    state = check_catalog(store.engine)
    assert not state.rows_whole and state.broken == {"segment": [(2,), (5,)]}
    assert str(state) == "rows of segment that are not what was stored: 2 (2, 5)"


def test_a_child_without_its_parent_is_counted(store) -> None:
    if store.engine.dialect.name == "sqlite":
        path = sqlite_file(store)
        with sqlite3.connect(path) as connection:  # foreign keys are off here
            connection.execute("DELETE FROM segment WHERE id = 4")
        connection.close()
    else:
        with store.engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("SET session_replication_role = replica")
            connection.exec_driver_sql("DELETE FROM segment WHERE id = 4")
    state = check_catalog(store.engine)
    assert state.orphans == ("1 rows of mask whose segment is gone", "1 rows of segment_fact whose segment is gone")
    assert not state.broken and not state.rows_whole


@pytest.fixture
def sqlite_store(sqlite_work, made):
    opened = sqlite_work.open()
    made.commit(opened, made.unit(1), made.unit(2))
    yield opened
    sqlite_work.opened.clear()  # damaged on purpose


def test_damage_that_the_database_itself_does_not_see(sqlite_store) -> None:
    """A photo's place: no index holds it, and any text is as good as another."""
    turn(sqlite_store, b"/photos/1.jpg", b"/photos/7.jpg")
    state = check_catalog(sqlite_store.engine)
    assert (state.structure, state.indexes, state.orphans) == ((), (), ())
    ((table, keys),) = state.broken.items()
    assert table in ("image", "unit") and len(keys) == 1


def test_a_value_that_cannot_be_read_is_named_with_its_table(sqlite_store, made) -> None:
    made.change(sqlite_store, "UPDATE run SET components = '{\"a\": ' WHERE id = 1")
    made.change(sqlite_store, "UPDATE image SET created_at = 'yesterday' WHERE id = 1")
    state = check_catalog(sqlite_store.engine)
    assert set(state.broken) == {"image", "run"} and "JSONDecodeError" in str(state) and "isoformat" in str(state)


def test_a_schema_that_is_no_text_is_damage_wherever_it_is_met(sqlite_store) -> None:
    """SQLite quotes it in its complaint, which its driver then cannot read."""
    turn(sqlite_store, b"CREATE INDEX ix_outbox", b"CR\xc5ATE INDEX ix_outbox")
    assert any("no text" in line for line in check_catalog(sqlite_store.engine).structure)
    with pytest.raises(StoreDamaged, match="from a backup"):
        sqlite_store.classes.all()
    with pytest.raises(StoreDamaged, match="from a backup"):
        FeatureStore.open(sqlite_store.folder)


def test_what_breaks_over_a_damaged_value_is_told_as_damage(sqlite_store, made) -> None:
    """A number that comes back as text, as after a flipped bit in the head of a row."""
    ids = [UUID(bytes=row[0]) for row in made.ask(sqlite_store, "SELECT point_id FROM segment ORDER BY id LIMIT 3")]
    made.change(sqlite_store, "DROP TRIGGER mask_no_update")
    made.change(sqlite_store, "UPDATE mask SET x = 'one' WHERE segment_id = 2")
    with pytest.raises(StoreDamaged, match=r"TypeError: .*; other rows in mask"):
        sqlite_store.segments.get(ids)
    assert len(sqlite_store.segments.get(ids[:1])) == 1
    with pytest.raises(TypeError):  # a mistake of ours stays one where every row is whole
        made.change(sqlite_store, "UPDATE mask SET seal = NULL, x = 1 WHERE segment_id = 2")
        read(sqlite_store.engine, lambda _: "1" + 1)


def test_an_index_that_lost_a_row_is_made_again_from_rows_that_are_whole(sqlite_store) -> None:
    path = sqlite_file(sqlite_store)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'ix_segment_run_id'").fetchone()
        connection.execute(
            "UPDATE sqlite_master SET sql = ? WHERE name = 'ix_segment_run_id'", (sql + " WHERE id < 3",)
        )
    connection.close()
    with sqlite3.connect(path) as connection:  # rows that come now are not held by it
        connection.execute("REINDEX ix_segment_run_id")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'ix_segment_run_id'", (sql,))
    connection.close()
    state = check_catalog(sqlite_store.engine)
    assert state.rows_whole and not state.whole
    assert "row 3 missing from index ix_segment_run_id" in state.indexes
    remake_indexes(sqlite_store.engine)
    assert check_catalog(sqlite_store.engine).whole


@pytest.mark.parametrize(
    ("lines", "of_indexes"),
    [
        (["ok"], True),
        (["row 3 missing from index a"], True),
        (["row 3 missing from index a", "wrong # of entries in index a"], True),
        (["non-unique entry in index a", "row 4 values differ from index b"], True),
        (["wrong # of entries in index a"], False),  # rows may be lost
        (["row 3 missing from index a", "wrong # of entries in index b"], False),
        (["*** in database main ***\nOn tree page 3 cell 1: Rowid 5 out of order"], False),
        (["CHECK constraint failed in mask"], False),
    ],
)
def test_only_damage_of_indexes_alone_is_mended(lines: list[str], of_indexes: bool) -> None:
    class Answer:
        def scalars(self):
            return self

        def all(self):
            return lines

    class Connection:
        def exec_driver_sql(self, _):
            return Answer()

    found = module._sqlite(Connection())
    assert (not found.structure) is of_indexes
    assert not any(line.startswith("***") for line in found.structure)


def test_an_old_schema_is_told_as_such_and_not_as_damage(sqlite_store) -> None:
    with transaction(sqlite_store.engine, write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0009'"))
    with sqlite3.connect(sqlite_file(sqlite_store)) as connection:
        connection.execute("DROP TABLE segment_fact")
    connection.close()
    with pytest.raises(StoreBehind, match="earlier layout"):
        check_catalog(sqlite_store.engine)


def test_much_damage_is_told_in_a_few_words() -> None:
    state = CatalogState(tuple(f"page {n}" for n in range(9)), (), (), {"unit": [("k" * 64,)] * 5}, "")
    assert str(state) == "page 0; page 1; page 2; page 3; and 6 more"
    state = CatalogState((), (), (), {"unit": [("k" * 64,)] * 5}, "")
    assert str(state).endswith(f"unit that are not what was stored: 5 ({', '.join(['k' * 60] * 3)}, ...)")


@pytest.fixture
def on_server(cluster, tmp_path, made):
    from retclip.store.feature_store import FeatureStore, StoreOptions

    store = FeatureStore.create(tmp_path / "store", StoreOptions(database=cluster.database(), index="resident"))
    made.commit(store, made.unit(1))
    yield store
    store.close()


@pytest.fixture
def amcheck(on_server) -> None:
    """The extension is a package of its own on some systems."""
    with on_server.engine.connect() as connection:
        there = connection.execute(text("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'")).scalar()
        if not there:
            pytest.skip("no amcheck")
        connection.execute(text("CREATE EXTENSION amcheck"))
        connection.commit()


def test_a_server_s_indexes_are_checked_where_it_can(on_server, amcheck) -> None:
    state = check_catalog(on_server.engine)
    assert state.whole and "amcheck of" in str(state) and "amcheck of 0" not in str(state)
    remake_indexes(on_server.engine)
    assert check_catalog(on_server.engine).whole


@pytest.mark.parametrize(
    ("code", "hurt"), [("index_corrupted", ("ix_segment_run_id: said by amcheck",)), ("insufficient_privilege", ())]
)
def test_what_amcheck_says_is_passed_on(on_server, amcheck, code: str, hurt: tuple) -> None:
    said = f"RAISE 'said by amcheck' USING ERRCODE = '{code}'"
    body = f"BEGIN IF $1 = 'ix_segment_run_id'::regclass THEN {said}; END IF; END"
    function = "public.bt_index_check(index regclass, heapallindexed boolean) RETURNS void LANGUAGE plpgsql"
    with on_server.engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE OR REPLACE FUNCTION {function} AS $${body}$$")
        connection.commit()
    state = check_catalog(on_server.engine)
    assert state.rows_whole and state.indexes == hurt
