"""Vectors of a second space: stored in one transaction, followed by its index, and nothing of the first is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from retclip.errors import SpaceIncomplete, SpaceMismatch, StoreMissing
from retclip.store.index import reconcile
from retclip.store.repair import damaged_shards
from retclip.types import FeatureSpace

OTHER = FeatureSpace("test.other", "none", "none", "area-1", 4)
FIRST = {
    "image": "SELECT * FROM image ORDER BY id",
    "segment": "SELECT * FROM segment ORDER BY id",
    "segment_fact": "SELECT * FROM segment_fact ORDER BY id",
    "unit": "SELECT * FROM unit ORDER BY key",
    "category": "SELECT * FROM category ORDER BY id",
    "vectors": "SELECT * FROM segment_feature WHERE space_id = 1 ORDER BY segment_id",
    "outbox": "SELECT o.* FROM outbox o JOIN store_version v ON v.id = o.version_id WHERE v.space_id = 1 ORDER BY o.id",
}


def first_space(store, made):
    """All that the first space is made of: rows, the bytes of its shards, points and vectors of its index."""
    rows = {name: made.ask(store, statement) for name, statement in FIRST.items()}
    shards = made.ask(store, "SELECT sha256 FROM feature_shard WHERE run_id = 1")
    content = {name: store.archive.path(name).read_bytes() for (name,) in shards}
    index = store.projection(made.space).index
    points = {point: row.tolist() for point, row in index.scan()}
    vectors = {point: one.tolist() for point, one in index.vectors(list(points)).items()}
    return rows, content, points, vectors


def test_a_second_space_is_added_and_the_first_stays_byte_for_byte(work, made) -> None:
    store = work.open()
    made.commit(store, made.unit(1), made.unit(2))
    before = first_space(store, made)
    run = made.adding(store, OTHER)
    assert [made.give(store, run, OTHER, made.lacking(store, 2, image)) for image in (1, 2)] == [6, 6]
    assert first_space(store, made) == before
    projection = store.projection(OTHER)
    assert projection.index.count() == 12 and reconcile.differences(projection).clean
    work.close()
    again = work.open()
    assert first_space(again, made) == before and again.projection(OTHER).index.count() == 12
    assert damaged_shards(again.archive, sorted(again.archive.names())) == []


def test_a_question_names_the_space_of_its_vectors(sqlite_work, made) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    mine, other = torch.eye(8)[:1], torch.eye(4)[:1]
    assert store.nearest(mine, [1], 3, False).ids.shape == (1, 3), "where there is one it may be left out"
    made.give(store, made.adding(store, OTHER), OTHER, made.lacking(store, 2, 1)[:1])
    assert [one is not None for one in store.nearest(mine, [1], 3, False, made.space).ids[0]] == [True, True, False]
    found = store.nearest(other, [1, 2], 3, False, OTHER)
    assert sum(one is not None for one in found.ids[0]) == 1
    assert found.supported.tolist() == [True, False], "a class without a vector in the space is not supported there"
    with pytest.raises(SpaceMismatch, match="name it"):
        store.nearest(mine, [1], 3, False)
    with pytest.raises(SpaceMismatch, match=r"test\.backbone .* or test\.other .*with weights 'f.*store add-space"):
        store.nearest(mine, [1], 3, False, replace(OTHER, weights="f" * 64))


def test_a_space_that_lacks_vectors_is_not_asked(sqlite_work, made) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    with pytest.raises(SpaceMismatch, match=r"store add-space --backbone test\.other --store"):
        store.spaces.require_complete(OTHER)
    run = made.adding(store, OTHER)
    masks = made.lacking(store, 2, 1)
    made.give(store, run, OTHER, masks[:4])
    store.spaces.require_complete(made.space)
    with pytest.raises(SpaceIncomplete, match=r"2 of 6 segments have no vector.*add-space --backbone test\.other"):
        store.spaces.require_complete(OTHER)
    made.give(store, run, OTHER, masks[4:5], without=masks[5:])
    store.spaces.require_complete(OTHER)
    made.commit(store, made.unit(2))
    store.spaces.require_complete(made.space)
    with pytest.raises(SpaceIncomplete, match="6 of 12"):
        store.spaces.require_complete(OTHER)


def test_a_mask_that_was_replaced_meanwhile_is_passed_over(work, made) -> None:
    store = work.open()
    made.commit(store, made.unit(1))
    run = made.adding(store, OTHER)
    masks = made.lacking(store, 2, 1)
    again = made.unit(1, annotation="b")
    redrawn = tuple(replace(one, rle=b"else") if n in (0, 5) else one for n, one in enumerate(again.segments))
    made.commit(store, replace(again, segments=redrawn))
    assert made.give(store, run, OTHER, masks[:5], without=masks[5:]) == 4
    assert [one.id for one in made.lacking(store, 2, 1)] == [masks[0].id, masks[5].id]


def test_two_that_add_the_same_do_no_harm(work, made) -> None:
    store = work.open()
    made.commit(store, made.unit(1))
    run, masks = made.adding(store, OTHER), made.lacking(store, 2, 1)
    for _ in range(2):
        assert made.give(store, run, OTHER, masks[:5], without=masks[5:]) == 5
    assert made.ask(store, "SELECT count(*) FROM feature_gap") == [(1,)]
    assert reconcile.differences(store.projection(OTHER)).clean


def test_an_empty_store_is_built_first(sqlite_work, made) -> None:
    with pytest.raises(StoreMissing, match="retclip build"):
        made.adding(sqlite_work.open(), OTHER)
    assert made.ask(sqlite_work.open(), "SELECT count(*) FROM feature_space") == [(0,)]


def test_a_build_may_use_any_space_that_is_there(sqlite_work, made) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    with pytest.raises(SpaceMismatch):
        store.runs.start(made.plan(space=OTHER))
    made.adding(store, OTHER)
    assert store.runs.start(made.plan(space=OTHER)).space_id == 2
    assert store.spaces.first() == made.space, "the first stays the first"
