"""Merging by hand, and against a slow merge that looks at every pair in each step."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from retclip_regions.ward import borders, not_merged_first, ward_tree, without_smaller


def slow(means, areas, touching):
    """The same, every pair of touching regions looked at in each step."""
    regions = {number: (mean, area, {number}) for number, (mean, area) in enumerate(zip(means, areas, strict=True))}
    pairs, parents = {frozenset(pair) for pair in touching.tolist()}, [-1] * len(means)
    while len(regions) > 1:

        def cost(pair):
            (mean_a, a, _), (mean_b, b, _) = (regions[number] for number in pair)
            return a * b / (a + b) * ((mean_a - mean_b) ** 2).sum()

        best = min(((cost(tuple(pair)), *sorted(pair)) for pair in pairs), default=None)
        if best is None:
            break
        (mean_a, a, below_a), (mean_b, b, below_b) = regions.pop(best[1]), regions.pop(best[2])
        parents[best[1]] = parents[best[2]] = union = len(parents)
        parents.append(-1)
        regions[union] = (mean_a * a + mean_b * b) / (a + b), a + b, below_a | below_b
        pairs = {frozenset(union if number in best[1:] else number for number in pair) for pair in pairs}
        pairs = {pair for pair in pairs if len(pair) == 2}
    return parents


def test_a_hand_worked_row():
    regions = np.array([[0, 0, 1, 2], [0, 0, 1, 2]])
    assert borders(regions).tolist() == [[0, 1], [1, 2]]
    means = np.array([[0.0], [1.0], [5.0]])
    assert ward_tree(means, np.ones(3), borders(regions)).tolist() == [3, 3, 4, 4, -1]
    # twice the area of 1 costs more than the smaller distance saves: 0 and 1 cost 4 / 5 = 0.8, 1 and 2 0.75
    far = np.array([[0.0], [1.0], [1.0 + 0.5**0.5 * 1.2]])
    areas = np.array([1.0, 4.0, 4.0])
    assert ward_tree(far, areas, borders(regions)).tolist() == slow(far, areas, borders(regions))


def test_regions_that_do_not_touch_stay_apart():
    assert ward_tree(np.zeros((2, 1)), np.ones(2), np.zeros((0, 2), dtype=np.int64)).tolist() == [-1, -1]
    assert ward_tree(np.zeros((1, 1)), np.ones(1), borders(np.zeros((3, 3), dtype=np.int64))).tolist() == [-1]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_the_same_as_looking_at_every_pair(seed):
    generator = np.random.default_rng(seed)
    regions = np.unique(generator.integers(0, 9, (4, 5)), return_inverse=True)[1].reshape(4, 5)
    areas = np.bincount(regions.ravel()).astype(float)
    means = generator.normal(size=(len(areas), 3))
    assert ward_tree(means, areas, borders(regions)).tolist() == slow(means, areas, borders(regions))


def test_regions_that_are_too_small_are_no_masks_of_their_own():
    parents, areas = np.array([3, 3, 4, 4, -1]), np.array([0.1, 0.1, 0.8, 0.2, 1.0])
    assert without_smaller(parents, areas, 0.0).all()
    assert without_smaller(parents, areas, 0.2).all()  # their union is no smaller than that
    assert without_smaller(parents, areas, 0.3).tolist() == [False, False, True, True, True]


def test_the_cheapest_merges_make_the_leaves():
    parents = np.array([3, 3, 4, 4, -1])
    assert not_merged_first(parents, 3, 3).all() and not_merged_first(parents, 3, 9).all()
    assert not_merged_first(parents, 3, 2).tolist() == [False, False, True, True, True]
    assert not_merged_first(parents, 3, 1).tolist() == [False, False, False, False, True]
    assert not_merged_first(np.array([-1, -1]), 2, 1).all()  # they do not touch: none was merged
