"""What an index should hold: where each vector lies, in pages, for one space at a time."""

from __future__ import annotations

import pytest

from retclip.store.feature_store import FeatureStore
from retclip.store.index import wanted_points
from retclip.store.sql.engine import transaction


@pytest.fixture
def store(light_work) -> FeatureStore:
    """Images 1, 2, 3 with two segments each of road, car and tree."""
    opened = light_work.open()
    light_work.fill(opened, [1, 2, 3], chunk=3)
    return opened


def answers(store: FeatureStore, question, *args: object):
    with transaction(store.engine) as connection:
        return question(connection, *args)


def test_they_say_where_the_vectors_lie(store: FeatureStore, made) -> None:
    wanted = answers(store, wanted_points.points_of, store.projection().space_id, range(1, 19))
    assert [one.row_no for one in sorted(wanted, key=lambda one: one.segment_id)] == list(range(18))
    assert {one.shard for one in wanted} == store.archive.names()
    assert {(one.rev, one.run_id, one.state, one.dataset_id) for one in wanted} == {(1, 1, 0, 1)}


def test_all_points_are_the_points_of_all_segments(store: FeatureStore, made) -> None:
    for statement in ("UPDATE segment SET status = 2 WHERE id = 3", "UPDATE segment SET status = 1 WHERE id = 4"):
        made.change(store, statement)
    space = store.projection().space_id
    expected = answers(store, wanted_points.points_of, space, range(1, 19))
    for page in (1, 4, 17, 18, 5000):
        paged = list(wanted_points.all_points(store.engine, space, page))
        assert all(len(one) <= page for one in paged)
        found = [one for rows in paged for one in rows]
        assert [one.segment_id for one in found] == sorted(one.segment_id for one in expected), "ascending"
        assert set(found) == set(expected) and len(expected) == 17
    assert answers(store, wanted_points.count, store.projection().space_id) == 17


def test_another_space_wants_nothing(store: FeatureStore) -> None:
    assert answers(store, wanted_points.points_of, 99, range(1, 19)) == []
    assert answers(store, wanted_points.count, 99) == 0
