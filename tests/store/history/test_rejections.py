"""Negative examples in the store: said, taken back, undone, merged, hidden; and the migration that brings them."""

from __future__ import annotations

import pytest
import torch
from sqlalchemy import text

from retclip.errors import DataError, RetCLIPError
from retclip.store.sql import schema
from retclip.store.sql.engine import transaction


def points(store, name: str) -> list:
    from retclip.store.records import SegmentFilter

    return list(store.segments.select(SegmentFilter(classes=(name,)), 10).ids)


def near(store, asked=("road", "car")):
    rows = {one.name: one.id for one in store.classes.all()}
    vectors = torch.nn.functional.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    return store.nearest(vectors, [rows.get(name) for name in asked], 4, False)


@pytest.fixture
def store(work):
    opened = work.open()
    work.fill(opened, range(3))
    return opened


def test_a_rejected_segment_counts_against_the_class_and_an_undo_takes_it_back(store) -> None:
    before = near(store)
    assert before.negatives is None
    car, road = points(store, "car"), points(store, "road")
    edit = store.segments.reject(road[:2], "car", "ann")
    assert edit.segments == 2 and store.segments.rejected() == {"car": tuple(sorted(road[:2], key=road.index))}
    negatives = near(store).negatives
    assert list(negatives.ids) == road[:2] and negatives.classes.tolist() == [1, 1]
    assert near(store, ("tree",)).negatives is None  # nothing is said against it
    found = near(store)  # the rejected ones still vote for their own class, exactly as far
    assert set(road[:2]) & set(found.ids.ravel()) and (found.ids == before.ids).all()
    assert torch.equal(found.distances, before.distances) and torch.equal(found.classes, before.classes)
    store.segments.reject(car[:1], "car", "ann")
    assert len(store.segments.rejected()["car"]) == 3
    store.undo(edit.event, "ann")
    assert store.segments.rejected() == {"car": (car[0],)} and list(near(store).negatives.ids) == car[:1]


def test_what_was_said_can_be_taken_back_and_said_again(store) -> None:
    road = points(store, "road")
    first = store.segments.reject(road[:1], "car", "ann")
    with pytest.raises(DataError, match="said already of all 1"):
        store.segments.reject(road[:1], "car", "ann")
    back = store.segments.reject(road[:1], "car", "bob", holds=False)
    assert store.segments.rejected() == {}
    with pytest.raises(DataError, match="not said of any"):
        store.segments.reject(road[:1], "car", "bob", holds=False)
    store.undo(back.event, "ann")
    assert store.segments.rejected() == {"car": (road[0],)}
    store.undo(first.event, "ann")
    assert store.segments.rejected() == {} and near(store).negatives is None


def test_a_hidden_segment_counts_against_nothing_and_a_merge_carries_it_over(store) -> None:
    road = points(store, "road")
    store.segments.reject(road[:2], "car", "ann")
    hidden = store.segments.quarantine(road[:1], "ann")
    assert store.segments.rejected() == {"car": (road[1],)}
    store.undo(hidden.event, "ann")
    store.classes.merge("car", "tree", "ann")
    assert {name: set(ids) for name, ids in store.segments.rejected().items()} == {"tree": set(road[:2])}
    assert set(near(store, ("tree",)).negatives.ids) == set(road[:2])


def test_unknown_segments_and_classes_are_refused_and_nothing_is_kept(store, made) -> None:
    from uuid import UUID

    before = made.ask(store, "SELECT COUNT(*) FROM event")
    with pytest.raises(DataError, match="ids of segments of this store"):
        store.segments.reject([UUID(int=5)], "car", "ann")
    with pytest.raises(DataError, match="a class of the store"):
        store.segments.reject(points(store, "road")[:1], "dragon", "ann")
    assert made.ask(store, "SELECT COUNT(*) FROM event") == before


@pytest.mark.parametrize("statement", ["UPDATE rejection_fact SET holds = false", "UPDATE event SET actor = 'x'"])
def test_facts_and_events_can_only_be_added_to(store, statement) -> None:
    store.segments.reject(points(store, "road")[:1], "car", "ann")
    with pytest.raises(RetCLIPError, match="append-only"), transaction(store.engine, write=True) as connection:
        connection.execute(text(statement))


def test_down_and_up_with_data_keeps_everything_but_the_rejections(store, made) -> None:
    store.segments.reject(points(store, "road")[:1], "car", "ann")
    before = [made.ask(store, f"SELECT COUNT(*) FROM {table}") for table in ("event", "segment_fact", "segment")]
    schema.downgrade(store.engine, "0013")
    said = made.ask(store, "SELECT action FROM event ORDER BY id")
    assert ("segment.relabel",) in [tuple(row) for row in said]
    with pytest.raises(RetCLIPError, match="append-only"), transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE event SET actor = 'x'"))
    schema.upgrade(store.engine)
    assert schema.differences(store.engine) == []
    after = [made.ask(store, f"SELECT COUNT(*) FROM {table}") for table in ("event", "segment_fact", "segment")]
    assert after == before and store.segments.rejected() == {}
    store.segments.reject(points(store, "road")[:1], "car", "ann")
    assert len(store.segments.rejected()["car"]) == 1
