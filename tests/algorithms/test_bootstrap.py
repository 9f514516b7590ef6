"""Bootstrap drawings and percentiles: by hand, seeded, and with the spread that theory gives for a mean."""

import numpy as np
import pytest

from retclip.algorithms.bootstrap import AT_ONCE, drawings, percentile_interval


def test_each_drawing_has_as_many_images_as_there_are_and_a_seed_repeats_them():
    first, again, other = (np.concatenate(list(drawings(5, AT_ONCE + 7, seed))) for seed in (3, 3, 4))
    assert first.shape == (AT_ONCE + 7, 5) and (first.sum(axis=1) == 5).all()
    assert (first == again).all() and not (first == other).all()
    assert list(drawings(0, 10, 0)) == [] and list(drawings(3, 0, 0)) == []


def test_percentiles_by_hand():
    assert percentile_interval(np.arange(101.0), 0.9) == (pytest.approx(5), pytest.approx(95))
    assert percentile_interval(np.array([np.nan, 2.0, np.nan])) == (2.0, 2.0), "drawings without a figure are left out"
    assert percentile_interval(np.array([np.nan])) is None


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(10, 2, 400)
    means = np.concatenate([weights @ values / 400 for weights in drawings(400, 4000, 1)])
    low, high = percentile_interval(means)
    half = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
