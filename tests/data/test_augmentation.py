"""Flip, scale and crop: by hand, pixels and labels together."""

import numpy as np
import pytest

from retclip.data.augmentation import GREY, Augmentation, Placement, draw, placed
from retclip.errors import ShapeError


def photo(height, width):
    """Each pixel's red is its label."""
    labels = np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width)
    return np.repeat(labels[..., None], 3, axis=2).astype(np.uint8), labels


def test_a_crop_a_mirror_and_padding_by_hand():
    pixels, labels = photo(2, 3)
    seen, marked = placed(pixels, labels, Placement(False, (2, 3), (0, 1)), 2)
    assert marked.tolist() == [[2, 3], [5, 6]] and (seen[..., 0] == marked).all()
    seen, marked = placed(pixels, labels, Placement(True, (2, 3), (0, 0)), 4)
    assert marked.tolist() == [[3, 2, 1, 0], [6, 5, 4, 0], [0] * 4, [0] * 4]  # the padding stays right and below
    assert seen[0, 0].tolist() == [3] * 3 and (seen[2:] == GREY).all() and (seen[:, 3] == GREY).all()


def test_labels_are_enlarged_by_their_nearest_pixel_and_stay_on_the_pixels():
    pixels, labels = photo(2, 2)
    _, marked = placed(pixels, labels, Placement(False, (4, 4), (0, 0)), 4)
    assert marked.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    for seed in range(20):  # a bright square on dark ground stays where its label is
        labels = np.zeros((40, 60), np.int32)
        labels[10:30, 20:50] = 1
        pixels = np.where(labels[..., None] == 1, 250, 5).astype(np.uint8).repeat(3, axis=2)
        where = draw((40, 60), Augmentation(48, 0.5, 2.0, True), np.random.default_rng(seed))
        seen, marked = placed(pixels, labels, where, 48)
        assert ((seen[..., 0] > 127) != ((marked == 1) | (seen[..., 0] == GREY))).mean() < 0.03


def test_placements_stay_in_their_ranges_and_follow_the_generator():
    how = Augmentation(100, 0.5, 2.0, True)
    found = [draw((50, 200), how, np.random.default_rng(seed)) for seed in range(200)]
    assert all(50 <= one.size[1] <= 200 and abs(one.size[0] - one.size[1] / 4) <= 0.5 for one in found)
    assert all(0 <= one.corner[1] <= max(0, one.size[1] - 100) and one.corner[0] == 0 for one in found)
    assert 60 < sum(one.mirrored for one in found) < 140
    assert draw((50, 200), how, np.random.default_rng(3)) == found[3]
    still = Augmentation(100, 0.5, 2.0, False)
    twin = draw((50, 200), still, np.random.default_rng(3))
    assert (twin.size, twin.corner, twin.mirrored) == (found[3].size, found[3].corner, False)


def test_labels_of_another_size_are_told():
    with pytest.raises(ShapeError, match="photo's size"):
        placed(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.int32), Placement(False, (4, 4), (0, 0)), 4)
