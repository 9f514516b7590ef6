"""Soft bins by hand, and by what makes them soft: mass 1 each, and a mean that stays where the value was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retclip_reference.soft_histograms import SoftBins, cell_histograms, circle_bins, joint_bins, line_bins

CENTRES = (0.0, 10.0, 30.0)


def row(values):
    return np.array([values], dtype=np.float32)


def per_pixel(bins: SoftBins):
    """(pixels, count): the histogram of every pixel of a one-row picture."""
    return cell_histograms(bins, 1)[:, 0].T


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0, [1, 0, 0]),
        (5, [0.5, 0.5, 0]),
        (10, [0, 1, 0]),
        (25, [0, 0.25, 0.75]),
        (30, [0, 0, 1]),
        (-3, [1, 0, 0]),
        (99, [0, 0, 1]),
    ],
)
def test_a_value_between_two_centres_is_parted_linearly_and_one_outside_counts_as_the_end(value, wanted):
    assert per_pixel(line_bins(row([value]), CENTRES))[0] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("turn", "wanted"),
    [
        (0.0, [1, 0, 0, 0]),
        (0.125, [0.5, 0.5, 0, 0]),
        (0.5, [0, 0, 1, 0]),
        (0.8125, [0.25, 0, 0, 0.75]),
        (1.0, [1, 0, 0, 0]),
    ],
)
def test_a_circle_wraps(turn, wanted):
    assert per_pixel(circle_bins(row([turn]), 4))[0] == pytest.approx(wanted)


def test_joint_bins_are_numbered_first_times_count_plus_second_and_share_the_product():
    first, second = line_bins(row([2.5]), (0, 10)), line_bins(row([20]), CENTRES)
    found = per_pixel(joint_bins(first, second))[0].reshape(2, 3)
    assert found == pytest.approx(np.outer([0.75, 0.25], [0, 0.5, 0.5]))


def test_a_cell_is_the_mean_of_its_pixels():
    values = np.array([[0, 10, 30, 30], [10, 10, 5, 30]], dtype=np.float32)
    found = cell_histograms(line_bins(values, CENTRES), 2)
    assert found.shape == (3, 1, 2)
    assert found.dtype == np.float32
    assert found[:, 0, 0] == pytest.approx([1 / 4, 3 / 4, 0])
    assert found[:, 0, 1] == pytest.approx([0.5 / 4, 0.5 / 4, 3 / 4])


def test_cells_lie_where_their_pixels_lie():
    values = np.zeros((4, 6), dtype=np.float32)
    values[2:, 4:] = 30  # the cell in row 1, column 2
    assert cell_histograms(line_bins(values, CENTRES), 2)[2].tolist() == [[0, 0, 0], [0, 0, 1]]


pictures = st.lists(st.floats(-50, 150, width=32), min_size=6, max_size=6)


@settings(max_examples=100, deadline=None)
@given(pictures, st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6), st.integers(1, 9))
def test_every_pixel_and_every_cell_has_mass_one(values, turns, count):
    lines = line_bins(row(values), CENTRES)
    circles = circle_bins(row(turns), count)
    for bins in (lines, circles, joint_bins(lines, circles)):
        assert bins.mass.min() >= 0
        assert 0 <= bins.index.min() <= bins.index.max() < bins.count
        assert bins.mass.sum(axis=0) == pytest.approx(1, abs=1e-6)
        assert per_pixel(bins).sum(axis=1) == pytest.approx(1, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(pictures)
def test_the_mean_of_the_centres_is_the_value(values):
    """What a hard histogram lacks: no value is rounded to its bin."""
    found = per_pixel(line_bins(row(values), CENTRES)) @ np.array(CENTRES)
    assert found == pytest.approx(np.clip(values, 0, 30), abs=1e-3)  # shares of 14 bits


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1, width=32), st.integers(2, 9))
def test_at_most_two_neighbouring_bins_share_a_pixel(turn, count):
    used = np.flatnonzero(per_pixel(circle_bins(row([turn]), count))[0])
    assert len(used) in (1, 2)
    assert len(used) == 1 or (used[1] - used[0]) in (1, count - 1)
