"""Void islands: closed up to the size that is set, from the nearest segment, and nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from retclip.algorithms.void_specks import close_void_specks


def closed(rows, largest):
    """The label map after closing; each pixel's mask is its label times 10."""
    label_map = np.array(rows, dtype=np.int32)
    mask_map = np.where(label_map > 0, label_map * 10, -1).astype(np.int32)
    before = label_map.copy(), mask_map.copy()
    found, masks = close_void_specks(label_map, mask_map, largest)
    assert (label_map == before[0]).all() and (mask_map == before[1]).all()
    assert (masks == np.where(found > 0, found * 10, -1)).all()
    assert (found.dtype, masks.dtype) == (np.int32, np.int32)
    return found.tolist()


def test_a_speck_takes_the_nearest_segment():
    assert closed([[1, 0, 0, 2]], 2) == [[1, 1, 2, 2]]
    assert closed([[1, 0, 0, 2]], 1) == [[1, 0, 0, 2]]
    assert closed([[3, 3, 3], [3, 0, 3], [3, 3, 3]], 1) == [[3] * 3] * 3


def test_a_larger_island_stays_whole_and_a_speck_beside_it_is_closed():
    rows = [[0, 0, 0, 5, 0], [0, 0, 0, 5, 5], [5, 5, 5, 5, 5]]
    assert closed(rows, 5) == [[0, 0, 0, 5, 5], [0, 0, 0, 5, 5], [5, 5, 5, 5, 5]]


def test_islands_that_touch_at_a_corner_are_two():
    assert closed([[0, 1], [1, 0]], 1) == [[1, 1], [1, 1]]


@pytest.mark.parametrize("largest", [0, -1])
def test_nothing_is_closed_unless_it_is_set(largest):
    assert closed([[1, 0, 2]], largest) == [[1, 0, 2]]


def test_a_map_without_void_or_without_a_segment_stays():
    assert closed([[1, 2]], 9) == [[1, 2]]
    assert closed([[0, 0]], 9) == [[0, 0]]
    assert closed([], 9) == []


@settings(max_examples=60, deadline=None)
@given(arrays(np.int32, (7, 9), elements=st.integers(0, 3)), st.integers(0, 12))
def test_labelled_pixels_never_change_and_what_stays_void_is_larger(label_map, largest):
    found = np.array(closed(label_map, largest))
    assert (found[label_map > 0] == label_map[label_map > 0]).all()
    islands, count = ndimage.label(found == 0)
    sizes = np.bincount(islands.ravel())[1:]
    assert count == 0 or not label_map.any() or sizes.min() > largest or largest == 0
