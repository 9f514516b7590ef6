"""What each pixel is measured by, against values worked out by hand and against a slow count."""

import numpy as np
import pytest
from retclip_reference import appearance
from retclip_reference.soft_histograms import cell_histograms

SIDE = 31


def at_the_middle(bins):
    """The histogram of the picture's middle pixel."""
    found = cell_histograms(bins, 1)
    return found[:, found.shape[1] // 2, found.shape[2] // 2]


def ramp(slope, axis):
    """L* that rises by `slope` per pixel along an axis; (SIDE, SIDE)."""
    steps = slope * np.arange(SIDE, dtype=np.float32)
    return np.broadcast_to(steps[:, None] if axis == 0 else steps[None], (SIDE, SIDE)).copy()


def grey_lightness(level):
    """CIE L* of an sRGB grey above the linear toe, from the standard's formula."""
    luminance = ((level / 255 + 0.055) / 1.055) ** 2.4
    return 116 * luminance ** (1 / 3) - 16


@pytest.mark.parametrize(("level", "below"), [(80, 1), (100, 2), (140, 3), (220, 5)])
def test_a_plain_grey_picture_lies_between_two_lightness_bins_at_the_neutral_colour(level, below):
    low, high = appearance.LIGHTNESS[below], appearance.LIGHTNESS[below + 1]
    share = (grey_lightness(level) - low) / (high - low)
    assert 0.05 < share < 0.95
    wanted = np.zeros((7, 7, 7))
    wanted[below, 3, 3], wanted[below + 1, 3, 3] = 1 - share, share  # bin 3 of a* and b* is 0
    found = at_the_middle(appearance.colour_bins(appearance.lab(np.full((3, 3, 3), level, np.uint8))))
    assert found.reshape(7, 7, 7) == pytest.approx(wanted, abs=3e-3)  # rgb2lab's own white is off by 5e-3 in b*


def test_black_and_white_count_as_the_darkest_and_the_lightest_bin():
    for level, wanted in ((0, 0), (255, 6)):
        found = at_the_middle(appearance.colour_bins(appearance.lab(np.full((3, 3, 3), level, np.uint8))))
        assert found[wanted * 49 + 3 * 7 + 3] == pytest.approx(1, abs=3e-3)


def test_red_and_green_lie_on_opposite_sides_of_a_and_blue_and_yellow_of_b():
    rows = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]], dtype=np.uint8)
    found = cell_histograms(appearance.colour_bins(appearance.lab(rows)), 1)[:, 0].reshape(7, 7, 7, 4)
    along_a, along_b = found.sum(axis=(0, 2)), found.sum(axis=(0, 1))  # (7, pixels)
    assert along_a[6, 0] == pytest.approx(1)  # a* of red is 80, beyond the last centre
    assert along_a[0, 1] == pytest.approx(1)
    assert along_b[0, 2] == pytest.approx(1)
    assert along_b[6, 3] == pytest.approx(1)


@pytest.mark.parametrize(("axis", "slope", "wanted"), [(1, 2, 0), (1, -2, 0), (0, 2, 4), (0, -2, 4)])
def test_vertical_and_horizontal_edges_land_in_different_orientations_whichever_side_is_bright(axis, slope, wanted):
    found = at_the_middle(appearance.edge_bins(ramp(slope, axis), 1.0)).reshape(3, 8)
    assert found[:, wanted].sum() == pytest.approx(1, abs=1e-4)
    assert found[0].sum() < 0.9  # it is an edge at all


def test_the_two_diagonals_are_a_quarter_turn_apart():
    down_right, down_left = ramp(1, 0) + ramp(1, 1), ramp(1, 0) - ramp(1, 1)
    for picture, wanted in ((down_right, 2), (down_left, 6)):
        found = at_the_middle(appearance.edge_bins(picture, 1.0)).reshape(3, 8)
        assert found[:, wanted].sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_the_strength_of_a_ramp(sigma):
    """A ramp keeps its slope under a Gaussian: log2(1 + slope * sigma), parted between 0, 1.5 and 5."""
    strength = np.log2(1 + 1.0 * sigma)
    wanted = [1 - strength / 1.5, strength / 1.5, 0] if strength < 1.5 else [0, (5 - strength) / 3.5, 0]
    wanted[2] = 1 - wanted[0] - wanted[1]
    found = at_the_middle(appearance.edge_bins(ramp(1, 1), sigma)).reshape(3, 8)
    assert found.sum(axis=1) == pytest.approx(wanted, abs=2e-3)  # the Gaussian is cut at 4 sigma


@pytest.mark.parametrize("lightness", [0.0, 53.6, 100.0])
def test_a_flat_picture_has_no_edges_and_no_contrast(lightness):
    flat = np.full((SIDE, SIDE), lightness, dtype=np.float32)
    assert cell_histograms(appearance.contrast_bins(flat, 5, 15), 1)[0].min() == pytest.approx(1, abs=1e-3)
    edges = cell_histograms(appearance.edge_bins(flat, 2.5), 1).reshape(3, 8, SIDE, SIDE)
    assert edges[0].sum(axis=0).min() == pytest.approx(1, abs=1e-3)


def soft(value, centres):
    """The slow way: what one value gives to each centre."""
    return np.array([np.interp(value, centres, one) for one in np.eye(len(centres))])


def test_contrast_is_the_deviation_in_both_windows():
    lightness = np.random.default_rng(0).uniform(20, 60, (SIDE, SIDE)).astype(np.float32)
    middle = SIDE // 2
    near = lightness[middle - 2 : middle + 3, middle - 2 : middle + 3].std()
    far = lightness[middle - 7 : middle + 8, middle - 7 : middle + 8].std()
    wanted = np.outer(*(soft(np.log2(1 + one), appearance.CONTRAST) for one in (near, far)))
    found = at_the_middle(appearance.contrast_bins(lightness, 5, 15)).reshape(5, 5)
    assert found == pytest.approx(wanted, abs=1e-3)


def test_height_runs_from_the_top_bin_to_the_bottom_bin():
    found = cell_histograms(appearance.height_bins(4, 2, 2), 1)  # rows at 1/8, 3/8, 5/8, 7/8; centres at 1/4, 3/4
    assert found[0, :, 1] == pytest.approx([1, 0.75, 0.25, 0])
    assert found.sum(axis=0) == pytest.approx(1)
