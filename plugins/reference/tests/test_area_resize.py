"""Averages over cells: exact where the ratio is whole, by the pixels' centres where it is not."""

import numpy as np
import pytest
from retclip_reference.area_resize import area_resized


def test_what_fits_already_comes_back_as_it_is():
    pixels = np.zeros((4, 5, 3), dtype=np.uint8)
    assert area_resized(pixels, (4, 5)) is pixels


@pytest.mark.parametrize("step", [(2, 3), (5, 1), (1, 7)])
def test_a_whole_ratio_gives_the_mean_of_each_block(step):
    values = np.random.default_rng(0).uniform(0, 1, (4 * step[0], 6 * step[1])).astype(np.float32)
    found = area_resized(values, (4, 6))
    assert found.dtype == np.float32
    assert found == pytest.approx(values.reshape(4, step[0], 6, step[1]).mean(axis=(1, 3)), abs=1e-6)


def test_each_colour_is_averaged_by_itself_and_rounded():
    pixels = np.array([[[0, 10, 255], [1, 20, 255]], [[0, 30, 0], [0, 41, 255]]], dtype=np.uint8)
    found = area_resized(pixels, (1, 1))
    assert found.dtype == np.uint8
    assert found[0, 0].tolist() == pytest.approx([0.25, 25.25, 191.25], abs=1)  # Pillow rounds after each axis


def test_height_comes_before_width():
    assert area_resized(np.zeros((8, 12), dtype=np.uint8), (2, 4)).shape == (2, 4)
    assert area_resized(np.zeros((8, 12, 3), dtype=np.uint8), (4, 2)).shape == (4, 2, 3)


def test_a_broken_ratio_counts_whole_pixels_by_their_centres():
    values = np.arange(7, dtype=np.float32)[None]
    # cells end at 2 1/3 and 4 2/3; centres lie at 1/2, 3/2, ...
    assert area_resized(values, (1, 3))[0] == pytest.approx([(0 + 1) / 2, (2 + 3 + 4) / 3, (5 + 6) / 2])
    assert area_resized(values.T.copy(), (3, 1))[:, 0] == pytest.approx([0.5, 3, 5.5])


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (10, 13), (29, 2)])
def test_parts_of_one_remain_parts_of_one(size):
    """Masks that part a picture still do so on a smaller grid, whatever the ratio."""
    labels = np.random.default_rng(1).integers(0, 4, (30, 41))
    parts = [area_resized((labels == one).astype(np.float32), size) for one in range(4)]
    assert sum(parts) == pytest.approx(np.ones(size), abs=1e-6)
    assert min(part.min() for part in parts) >= 0


def test_a_larger_grid_repeats_pixels():
    pixels = np.array([[10, 200]], dtype=np.uint8)
    assert area_resized(pixels, (2, 4)).tolist() == [[10, 10, 200, 200]] * 2
    assert set(area_resized(pixels, (1, 5)).ravel().tolist()) == {10, 200}  # no new values
