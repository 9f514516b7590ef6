"""The bias to seen classes: the worked example, and groups without a segment."""

import numpy as np

from retclip.algorithms.seen_bias import group_counts, shares

SEEN = (True, True, False, False)  # car, cat | truck, fox


def test_the_worked_example():
    called = [(2, 0, 1), (3, 1, 1), (3, 4, 1), (0, 2, 1), (1, 1, 1)]
    counts = group_counts(called, SEEN)
    assert counts.tolist() == [2, 3, 1, 2]
    assert np.allclose(shares(counts[None]), [[2 / 3, 1 / 2]])


def test_mistakes_within_a_group_are_none():
    assert group_counts([(0, 1, 5), (2, 3, 7)], SEEN).tolist() == [0, 7, 0, 5]


def test_a_group_without_a_segment_has_no_share():
    share = shares(group_counts([(0, 2, 1)], SEEN)[None])[0]
    assert np.isnan(share[0]) and share[1] == 1
