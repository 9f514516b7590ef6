"""The checksum of a row: figures worked by hand, which must never change, because stores hold them."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import insert, select

from retclip.store.sql.engine import transaction
from retclip.store.sql.row_checksum import row_checksum, sealed_columns
from retclip.store.sql.tables import Category, Event, Proposer, Segment, SegmentFact

KEY = UUID("00112233-4455-6677-8899-aabbccddeeff")


def test_a_row_by_hand() -> None:
    """The name of the table, then how long each value is in bytes, then the values: id 7, name "ground_truth"."""
    columns = sealed_columns(Proposer.__table__, False)
    assert [column.name for column in columns] == ["id", "name"]
    assert row_checksum(columns, (7, "ground_truth")) == zlib.crc32(b"proposer[1, 12]7ground_truth") == 1298724267


@pytest.mark.parametrize(
    ("values", "same"),
    [
        (([1, {"b": 1.0, "a": None}],), ((1, {"a": None, "b": 1}),)),
        ((1e22,), (1e22,)),
        (({"x": 1e22},), ({"x": 10**22},)),
        ((KEY,), (UUID(bytes=KEY.bytes),)),
        ((memoryview(b"\0rle"),), (b"\0rle",)),
        (
            (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),),
            (datetime(2026, 1, 2, 5, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),),
        ),
    ],
    ids=["json", "float", "whole float in json", "uuid", "bytes", "moment"],
)
def test_what_either_database_gives_back_is_spelt_alike(values: tuple, same: tuple) -> None:
    columns = sealed_columns(Proposer.__table__, False)[:1]
    assert row_checksum(columns, values) == row_checksum(columns, same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((None, ""), ("", None)),
        ((None, "a"), ("", "a")),
        (("ab", "c"), ("a", "bc")),
        ((1, 12), (11, 2)),
        ((True, 1), (1, 1)),
    ],
)
def test_what_differs_is_spelt_otherwise(one: tuple, other: tuple) -> None:
    columns = sealed_columns(Proposer.__table__, False)
    assert row_checksum(columns, one) != row_checksum(columns, other)


@pytest.mark.parametrize("model", [Category, Event, SegmentFact, Proposer, Segment])
def test_everything_is_covered_but_the_number_of_rows_that_come_in_bulk(model: type) -> None:
    left_out = {column.name for column in model.__table__.columns} - {
        column.name for column in sealed_columns(model.__table__, model.NUMBERED_LATER)
    }
    assert left_out == ({"seal", "id"} if model in (SegmentFact, Segment) else {"seal"})


def test_a_number_of_numpy_is_sealed_as_what_comes_back(store) -> None:
    """An INSERT seals what it was given; NumPy's float64, which is a float, is spelt otherwise than SQL's answer."""
    with transaction(store.engine, write=True) as connection:
        segment, category = connection.execute(select(Segment.id, Segment.category_id).limit(1)).one()
        values = {"event_id": 1, "segment_id": segment, "category_id": category, "label_source": "person"}
        connection.execute(insert(SegmentFact).values(**values, confidence=np.float64(0.1)))
        newest = select(SegmentFact.__table__).order_by(SegmentFact.id.desc()).limit(1)
        row = connection.execute(newest).mappings().one()
    columns = sealed_columns(SegmentFact.__table__, True)
    assert row["seal"] == row_checksum(columns, [row[column.name] for column in columns])
