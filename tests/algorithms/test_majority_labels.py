"""The majority under a mask: the written rule by hand, and against counting pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retclip.algorithms.majority_labels import class_votes, majority_labels


def labels(votes, area, threshold=0.5, voters=None):
    votes = np.array(votes, np.int64)
    voters = votes.sum(axis=1) if voters is None else np.array(voters, np.int64)
    return majority_labels(votes, voters, np.array(area, np.int64), threshold)


def test_the_example_of_the_docstring():
    majority = labels([[5, 3], [4, 0]], [10, 10])
    assert majority.label.tolist() == [0, -1] and majority.share.tolist() == [0.625, 1.0]
    assert majority.outside.tolist() == [False, True]
    assert labels([[5, 3]], [10], 0.7).label.tolist() == [-1]


def test_a_label_needs_more_than_the_threshold_and_half_of_the_mask():
    assert labels([[2, 2], [3, 1]], [4, 4]).label.tolist() == [-1, 0]
    assert labels([[2, 2]], [4], 0.4).label.tolist() == [0], "of equal shares the first class"
    assert labels([[0, 2], [0, 1]], [4, 3]).label.tolist() == [1, -1], "half of the pixels vote; a third"


def test_where_objects_overlap_a_pixel_votes_for_each():
    majority = labels([[10, 4]], [10], voters=[10])
    assert majority.label.tolist() == [0] and majority.share.tolist() == [1.0]


def test_no_votes_no_classes_no_masks():
    assert labels([[0, 0]], [0]).label.tolist() == [-1]
    classless = majority_labels(np.zeros((2, 0), np.int64), np.zeros(2, np.int64), np.ones(2, np.int64), 0.0)
    assert classless.label.tolist() == [-1, -1]
    assert labels(np.zeros((0, 3)), []).label.shape == (0,)


def test_votes_are_counted_under_the_mask_alone():
    class_map = np.array([[0, 0, 2], [-1, 2, 2]], np.int32)
    mask = np.array([[True, False, True], [True, True, False]])
    assert class_votes(mask, class_map, 4).tolist() == [1, 0, 2, 0]
    assert class_votes(~mask & mask, class_map, 4).tolist() == [0, 0, 0, 0]


@given(st.integers(0, 2**31 - 1), st.sampled_from([0.0, 0.4, 0.5, 0.6, 0.75, 0.9]))
def test_against_counting_pixel_by_pixel(seed, threshold):
    rng = np.random.default_rng(seed)
    classes, shape = int(rng.integers(1, 5)), (int(rng.integers(1, 7)), int(rng.integers(1, 7)))
    class_map = rng.integers(-1, classes, shape).astype(np.int32)
    masks = rng.random((5, *shape)) < rng.random()
    votes = np.array([class_votes(mask, class_map, classes) for mask in masks])
    majority = majority_labels(votes, votes.sum(axis=1), masks.sum(axis=(1, 2)), threshold)
    for mask, label, share in zip(masks, majority.label, majority.share, strict=True):
        said = [int(class_map[y, x]) for y in range(shape[0]) for x in range(shape[1]) if mask[y, x]]
        known = [name for name in said if name >= 0]
        best = max(range(classes), key=known.count) if known else -1
        expected = known.count(best) / len(known) if known else 0.0
        assert share == pytest.approx(expected, abs=1e-12)
        assert label == (best if expected > threshold and len(known) >= len(said) / 2 else -1)
