"""Frequency-weighted IoU, by hand and against its definition pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.frequency_weighted_iou import frequency_weighted_iou


def test_by_hand():
    # class 0: 3 of its 4 pixels found, one false: IoU 3/5; class 1: 1 of 1, one false: IoU 1/2; class 2 does not occur
    found = frequency_weighted_iou(*(np.array([row], dtype=float) for row in ([3, 1, 0], [4, 1, 0], [4, 2, 0])))
    assert found.tolist() == [pytest.approx((4 * 3 / 5 + 1 * 1 / 2) / 5)]


def test_nothing_labelled_has_no_figure():
    assert np.isnan(frequency_weighted_iou(*(np.zeros((1, 2)) for _ in range(3)))).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30))
def test_against_the_definition(pairs):
    truth, predicted = np.array(pairs).T
    counts = np.array([[((truth == c) & (predicted == c)).sum(), (truth == c).sum(), (predicted == c).sum()]
                       for c in range(3)], dtype=float)  # fmt: skip
    wanted = 0.0
    for c in range(3):
        either = ((truth == c) | (predicted == c)).sum()
        wanted += (truth == c).mean() * (((truth == c) & (predicted == c)).sum() / either if either else 0)
    assert frequency_weighted_iou(*counts.T[:, None])[0] == pytest.approx(wanted)
