"""What goes into a column comes out of it, and the same out of both databases."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, MetaData, Table, event, insert, select, text
from sqlalchemy.schema import CreateTable

from retclip.store.sql.columns import BigKey, BinaryUuid, Json, Moment, now
from retclip.store.sql.engine import open_engine, transaction

BOX = Table(
    "box",
    MetaData(),
    Column("id", BigKey, primary_key=True),
    Column("uuid", BinaryUuid),
    Column("moment", Moment),
    Column("json", Json),
)


@pytest.fixture
def engine(database: str, tmp_path, catalog):
    opened = open_engine(database or f"sqlite:///{shutil.copy(catalog, tmp_path / 'columns.sqlite')}")
    with transaction(opened, write=True) as connection:
        connection.execute(CreateTable(BOX))
    yield opened
    opened.dispose()


def through(engine, **values: object) -> dict:
    """The row that comes back."""
    with transaction(engine, write=True) as connection:
        key = connection.execute(insert(BOX).values(**values).returning(BOX.c.id)).scalar_one()
    with transaction(engine) as connection:
        return dict(connection.execute(select(BOX).where(BOX.c.id == key)).mappings().one())


@pytest.mark.parametrize("value", [UUID(int=0), UUID(int=2**128 - 1), UUID("00112233-4455-6677-8899-aabbccddeeff")])
def test_uuids(engine, value: UUID) -> None:
    assert through(engine, uuid=value)["uuid"] == value


def test_uuids_are_found_by_value_and_in_lists(engine) -> None:
    wanted = [uuid4() for _ in range(3)]
    for one in (*wanted, uuid4()):
        through(engine, uuid=one)
    with transaction(engine) as connection:
        found = connection.execute(select(BOX.c.uuid).where(BOX.c.uuid.in_(wanted))).scalars().all()
        assert connection.execute(select(BOX.c.uuid).where(BOX.c.uuid == wanted[1])).scalar() == wanted[1]
    assert set(found) == set(wanted)


def test_a_uuid_takes_sixteen_bytes(engine) -> None:
    through(engine, uuid=uuid4())
    size = "length(uuid)" if engine.dialect.name == "sqlite" else "pg_column_size(uuid)"
    with transaction(engine) as connection:
        assert connection.execute(text(f"SELECT {size} FROM box")).scalar() == 16


@pytest.mark.parametrize("hours", [0, 2, -11])
def test_a_moment_stays_the_same_moment(engine, hours: int) -> None:
    """SQLite keeps no zone: what is written in another one must not move by its offset."""
    value = datetime(2024, 2, 29, 23, 30, 0, 123456, tzinfo=timezone(timedelta(hours=hours)))
    found = through(engine, moment=value)["moment"]
    assert found == value
    assert found.utcoffset() == timedelta(0)


def test_a_moment_comes_back_in_utc_whatever_the_session_says(engine) -> None:
    if engine.dialect.name == "postgresql":

        @event.listens_for(engine, "begin")
        def elsewhere(connection) -> None:
            connection.exec_driver_sql("SET TIME ZONE 'Asia/Tokyo'")

    value = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert through(engine, moment=value)["moment"].isoformat() == "2024-01-01T12:00:00+00:00"


def test_now_is_aware() -> None:
    assert now().utcoffset() == timedelta(0)
    assert abs(now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_nothing_stays_nothing(engine) -> None:
    row = through(engine, uuid=None, moment=None)
    assert row["uuid"] is None and row["moment"] is None


def test_json(engine) -> None:
    value = {"b": [1, 2.5, None, True], "a": {"ü": "\u20ac'\";--"}}
    assert through(engine, json=value)["json"] == value


def test_keys_count_up(engine) -> None:
    first, second = (through(engine, uuid=uuid4())["id"] for _ in range(2))
    assert second == first + 1
    assert through(engine, id=2**40)["id"] == 2**40  # 64 bits on both
