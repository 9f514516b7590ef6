"""Calibration error and reliability curve: by hand, and against the definition bin by bin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.calibration import Calibration, ReliabilityBin


def test_by_hand():
    calibration = Calibration(bins=2)
    calibration.add([0.9, 0.7, 0.8, 0.2], [True, True, False, False])
    # above one half: mean score 0.8, two of three right; below: score 0.2, none right
    assert calibration.error == pytest.approx(3 / 4 * abs(2 / 3 - 0.8) + 1 / 4 * 0.2)
    low, high = calibration.curve
    assert (low.low, low.high, low.segments, low.score, low.accuracy) == (0, 0.5, 1, 0.2, 0)
    assert (high.segments, high.score, high.accuracy) == (3, pytest.approx(0.8), pytest.approx(2 / 3))


def test_nothing_counted_has_no_error():
    calibration = Calibration(bins=1)
    calibration.add([], [])
    assert calibration.error is None and calibration.curve == (ReliabilityBin(0.0, 1.0, 0, None, None),)


def test_the_ends_fall_into_the_first_and_the_last_bin():
    calibration = Calibration(bins=4)
    calibration.add([0.0, 1.0], [False, True])
    assert [one.segments for one in calibration.curve] == [1, 0, 0, 1] and calibration.error == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.integers(0, 40))
def test_against_the_definition_and_in_two_parts(segments, cut):
    scores, right = map(np.array, zip(*segments, strict=True))
    parts = [Calibration(), Calibration()]
    parts[0].add(scores[:cut].tolist(), right[:cut].tolist())
    parts[1].add(scores[cut:].tolist(), right[cut:].tolist())
    parts[0].merge(parts[1])
    wanted = 0.0
    for number in range(15):
        inside = (scores * 15 >= number) & ((scores * 15 < number + 1) | (number == 14))
        if inside.any():
            wanted += inside.mean() * abs(right[inside].mean() - scores[inside].mean())
    assert parts[0].error == pytest.approx(wanted)
