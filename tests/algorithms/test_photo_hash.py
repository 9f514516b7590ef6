"""The hash by hand, and how far changed photos are from what they were."""

import numpy as np
import pytest

from retclip.algorithms.photo_hash import BITS, NEAR, SIDE, differing_bits, photo_hash


def test_the_worked_example():
    rising = np.tile(np.arange(SIDE, dtype=np.float32), (SIDE, 1))
    assert photo_hash(rising).tolist() == [True] * 64 + [False] * 64
    assert photo_hash(rising.T).tolist() == [False] * 64 + [True] * 64


def test_bits_are_counted_for_each_pair():
    rng = np.random.default_rng(0)
    first, second = rng.random((5, BITS)) > 0.5, rng.random((7, BITS)) > 0.5
    counted = differing_bits(first, second)
    assert counted.tolist() == [[int((one != other).sum()) for other in second] for one in first]


@pytest.mark.parametrize("change", [lambda grey: grey * 0.5 + 20, lambda grey: grey + 3])
def test_brightness_and_contrast_change_nothing(change):
    grey = np.random.default_rng(1).random((SIDE, SIDE)).astype(np.float32) * 255
    assert np.array_equal(photo_hash(change(grey)), photo_hash(grey))


def test_unrelated_photos_are_far_apart():
    rng = np.random.default_rng(2)
    hashes = np.stack([photo_hash(rng.random((SIDE, SIDE)).astype(np.float32)) for _ in range(40)])
    counted = differing_bits(hashes, hashes)
    assert counted[~np.eye(40, dtype=bool)].min() > NEAR
