"""Boundary IoU by hand, and its boundaries against masks that are eroded step by step as the published code does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from retclip.algorithms import boundary_iou as module
from retclip.algorithms.boundary_iou import boundary_counts, boundary_iou, boundary_pixels, boundary_width
from retclip.errors import ShapeError


def eroded_boundary(class_map, width):
    """The mask of each class without itself eroded `width` times; outside the image nothing is set."""
    boundary = np.zeros(class_map.shape, bool)
    for index in np.unique(class_map):
        mask = class_map == index
        boundary |= mask & ~binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    return boundary


def test_the_width_is_two_percent_of_the_diagonal():
    assert [boundary_width(size) for size in ((480, 640), (1, 1), (30, 40))] == [16, 1, 1]


def test_by_hand():
    truth = np.zeros((5, 7), np.int64)
    truth[:, 4:] = 1
    predicted = truth.copy()
    predicted[:, 4] = 0  # the contour moved by one pixel
    assert boundary_pixels(truth, 1)[2].tolist() == [True, False, False, True, True, False, True]
    counts = boundary_counts(predicted, truth, 2)
    # class 0: 14 contour pixels of 4 x 5 in the truth, 16 of 5 x 5 in the answer; both: 1 + 3 above, below, and 3 left
    assert counts.truth.tolist() == [14, 12] and counts.predicted.tolist() == [16, 10]
    assert counts.intersection.tolist() == [11, 7]
    ious = boundary_iou(*(part[None].astype(float) for part in (counts.intersection, counts.truth, counts.predicted)))
    assert ious[0].tolist() == [pytest.approx(11 / 19), pytest.approx(7 / 15)]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 14))
def test_boundaries_are_those_of_eroded_masks(width, seed, height, wide):
    rng = np.random.default_rng(seed)
    class_map = np.kron(rng.integers(-1, 3, (height, wide)), np.ones((3, 4), np.int64)).astype(np.int64)
    before = class_map.copy()
    assert (boundary_pixels(class_map, width) == eroded_boundary(class_map, width)).all()
    assert (class_map == before).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_counts_are_those_of_masks_class_by_class(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = (np.kron(rng.integers(-1, 3, (4, 4)), np.ones((3, 3), np.int64)) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RATIO", 0.12)  # two pixels
        counts = boundary_counts(predicted, truth, 3)
    for index in range(3):
        of_truth = eroded_boundary(truth, 2) & (truth == index)
        of_answer = eroded_boundary(predicted, 2) & (predicted == index) & (truth >= 0)
        wanted = ((of_truth & of_answer).sum(), of_truth.sum(), of_answer.sum())
        assert tuple(part[index] for part in (counts.intersection, counts.truth, counts.predicted)) == wanted


def test_a_class_without_a_boundary_in_the_truth_has_no_figure():
    counts = boundary_counts(np.array([[1]]), np.array([[0]]), 3)
    doubled = counts + counts
    ious = boundary_iou(
        *(part[None].astype(float) for part in (doubled.intersection, doubled.truth, doubled.predicted))
    )
    assert ious[0, 0] == 0 and np.isnan(ious[0, 1:]).all() and doubled.predicted.tolist() == [0, 2, 0]


def test_shapes_must_agree():
    with pytest.raises(ShapeError):
        boundary_counts(np.zeros((2, 3), np.int64), np.zeros((3, 2), np.int64), 1)
