"""Runs of label maps: by hand, and against a count pixel by pixel, for small maps, noise and blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms import label_runs
from retclip.algorithms.label_runs import label_overlaps, runs_of_colours, runs_of_map

rows = st.lists(st.lists(st.sampled_from([0, 1, 2, 256, 65537]), min_size=5, max_size=5), min_size=1, max_size=4)


def colours(label_map):
    return np.stack([label_map % 256, label_map // 256 % 256, label_map // 65536], axis=-1).astype(np.uint8)


def test_by_hand():
    label_map = np.array([[0, 0, 7], [7, 7, 300]], np.int32)
    for runs in (runs_of_map(label_map), runs_of_colours(colours(label_map))):
        assert (runs.begins.tolist(), runs.ids.tolist()) == ([0, 2, 5], [0, 7, 300]), "a run goes on in the next row"
        assert (runs.lengths.tolist(), runs.areas, runs.shape) == ([2, 3, 1], {7: 3, 300: 1}, (2, 3))
        assert runs.replaced({7: 5}, -1).tolist() == [[-1, -1, 5], [5, 5, -1]]


def test_overlaps_by_hand():
    first, second = np.array([[1, 1, 2, 2]], np.int32), np.array([[0, 9, 9, 8]], np.int32)
    assert label_overlaps(runs_of_map(first), runs_of_map(second)) == {(1, 0): 1, (1, 9): 1, (2, 9): 1, (2, 8): 1}


@settings(max_examples=100, deadline=None)
@given(rows, rows, st.sampled_from([1, 2, 3, 1 << 17]), st.sampled_from([0, 1 << 20]))
def test_against_a_count_of_every_pixel(first_rows, second_rows, block, few):
    height = min(len(first_rows), len(second_rows))
    first, second = (np.array(part[:height], np.int32) for part in (first_rows, second_rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_runs, "BLOCK", block)
        patch.setattr(label_runs, "FEW", few)
        runs = runs_of_map(first), runs_of_colours(colours(second))
        overlaps = label_overlaps(*runs)
    wanted = {}
    for pair in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True):
        wanted[pair] = wanted.get(pair, 0) + 1
    assert overlaps == wanted
    for part, label_map in zip(runs, (first, second), strict=True):
        assert part.areas == {int(i): int((label_map == i).sum()) for i in np.unique(label_map) if i}
        assert (np.repeat(part.ids, part.lengths).reshape(part.shape) == label_map).all()


def test_noise_of_many_ids_is_counted_too():
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 2**24, (60, 70)).astype(np.int32) for _ in range(2))
    overlaps = label_overlaps(runs_of_map(first), runs_of_colours(colours(second)))
    assert overlaps == dict.fromkeys(zip(first.ravel().tolist(), second.ravel().tolist(), strict=True), 1)


def test_an_empty_map_has_no_runs():
    runs = runs_of_map(np.zeros((0, 4), np.int32))
    assert (runs.areas, runs.lengths.tolist(), label_overlaps(runs, runs)) == ({}, [], {})
