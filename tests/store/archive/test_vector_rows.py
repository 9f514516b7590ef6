"""Which vector is whose: another mask has none yet in other spaces, one that is found again keeps them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retclip.data import rle
from retclip.store.index import reconcile
from retclip.types import FeatureSpace

OTHER = FeatureSpace("test.other", "none", "none", "area-1", 4)
VECTORS = (
    "SELECT s.prompt, s.ordinal FROM segment_feature f JOIN segment s ON s.id = f.segment_id AND s.mask_no = f.mask_no "
    "WHERE f.space_id = :s"
)


@pytest.fixture
def store(work, made):
    """Six segments with a vector in each of two spaces, but one that goes without in the second."""
    opened = work.open()
    made.commit(opened, made.unit(1))
    run = made.adding(opened, OTHER)
    *masks, last = made.lacking(opened, 2, 1)
    made.give(opened, run, OTHER, masks, [last])
    return opened


def redrawn(unit, *which):
    """The same work, with another mask for those of its segments."""
    mask = np.zeros((4, 4), dtype=bool)
    mask[:2] = True
    counts = rle.encode(mask)["counts"].encode()
    changed = tuple(replace(one, rle=counts, area=8) if n in which else one for n, one in enumerate(unit.segments))
    return replace(unit, segments=changed)


def clean(store) -> bool:
    return all(reconcile.differences(store.projection(one.space)).clean for one in store.spaces.all())


def test_another_mask_takes_the_vectors_of_other_spaces_with_it(store, made) -> None:
    made.commit(store, redrawn(made.unit(1, annotation="b"), 0, 3))
    lost = {("road", 0), ("car", 1), ("tree", 1)}  # the last never had one
    assert set(made.ids(store)) - set(made.ask(store, VECTORS, s=2)) == lost
    assert set(made.ask(store, VECTORS, s=1)) == set(made.ids(store)), "the run's own space has them all"
    state = store.spaces.all()[1]
    assert (state.segments, state.lacking, state.without) == (3, 2, 1)
    assert clean(store) and store.projection(OTHER).index.count() == 3
    before = store.projection(made.space).index.count()
    made.give(store, made.adding(store, OTHER), OTHER, made.lacking(store, 2, 1))
    assert store.spaces.all()[1].complete and clean(store)
    assert (store.projection(OTHER).index.count(), store.projection(made.space).index.count()) == (5, before)


def test_a_gap_goes_with_the_mask_that_was_too_small(store, made) -> None:
    made.commit(store, redrawn(made.unit(1, annotation="b"), 5))
    assert [one.without for one in store.spaces.all()] == [0, 0]
    assert [one.class_name for one in made.lacking(store, 2, 1)] == ["tree"]


def test_the_same_mask_made_again_keeps_them(store, made) -> None:
    made.commit(store, made.unit(1, annotation="b"))
    state = store.spaces.all()[1]
    assert (state.segments, state.lacking, state.without) == (5, 0, 1) and clean(store)


def test_a_build_in_the_second_space_leaves_the_first_one_incomplete(store, made) -> None:
    run = store.runs.start(made.plan(space=OTHER))
    unit = redrawn(made.unit(1, annotation="b"), 2)
    more = made.unit(2)
    vectors = [np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1]] for _ in range(2)]
    store.runs.commit(run, [replace(one, vectors=v) for one, v in zip((unit, more), vectors, strict=True)], {})
    first, second = store.spaces.all()
    assert (first.segments, first.lacking) == (5, 7) and (second.segments, second.lacking, second.without) == (12, 0, 0)
    assert clean(store)
    assert store.projection(made.space).index.count() == 5 and store.projection(OTHER).index.count() == 12
