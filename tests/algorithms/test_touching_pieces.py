"""Pieces of one thing that touch become one instance; every other segment stays what it was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from retclip.algorithms import pixel_counts
from retclip.algorithms.touching_pieces import join_touching_pieces
from retclip.types import SegmentInfo

CAR, DOG, SKY = 0, 1, 2


def joined(rows, classes, scores=None):
    """The result for segments of these classes, numbered from 1; proposal n - 1 is segment n's."""
    label_map = np.array(rows, dtype=np.int32)
    segments = [
        SegmentInfo(n, "", index != SKY, int((label_map == n).sum()), 1.0 if scores is None else scores[n - 1],
                    class_index=index, proposal=n - 1)
        for n, index in enumerate(classes, start=1)
    ]  # fmt: skip
    return join_touching_pieces(label_map, segments)


def test_a_hand_worked_row():
    label_map, segments = joined([[1, 2, 2, 0, 3]], [CAR, CAR, CAR], [0.5, 0.8, 0.9])
    assert label_map.tolist() == [[1, 1, 1, 0, 2]] and label_map.dtype == np.int32
    # the score is weighed by area: (1 * 0.5 + 2 * 0.8) / 3; the larger piece's mask stands for the segment
    assert segments == [
        SegmentInfo(1, "", True, 3, pytest.approx(0.7), class_index=CAR, proposal=1),
        SegmentInfo(2, "", True, 1, 0.9, class_index=CAR, proposal=2),
    ]


@pytest.mark.parametrize(
    ("rows", "classes", "wanted"),
    [
        pytest.param([[1, 2]], [CAR, DOG], [[1, 2]], id="another class"),
        pytest.param([[1, 2]], [SKY, SKY], [[1, 2]], id="stuff is the merge's own affair"),
        pytest.param([[1, 0], [0, 2]], [CAR, CAR], [[1, 0], [0, 2]], id="a corner is no border"),
        pytest.param([[1, 2], [0, 3]], [CAR, CAR, CAR], [[1, 1], [0, 1]], id="beside and below"),
        pytest.param([[3, 1, 2, 3]], [DOG, CAR, DOG], [[1, 1, 2, 1]], id="a piece in two parts joins what it touches"),
        pytest.param([[1, 2, 1]], [CAR, SKY], [[1, 2, 1]], id="what was one segment stays one"),
        pytest.param([[0, 0]], [], [[0, 0]], id="nothing"),
    ],
)
def test_who_is_joined(rows, classes, wanted):
    assert joined(rows, classes)[0].tolist() == wanted


def test_pieces_that_touch_across_two_bands_are_joined(monkeypatch):
    monkeypatch.setattr(pixel_counts, "BAND", 1)
    assert joined([[1, 0], [2, 0], [3, 0]], [CAR, CAR, DOG])[0].tolist() == [[1, 0], [1, 0], [2, 0]]


@settings(deadline=None)
@given(arrays(np.int32, (5, 6), elements=st.integers(0, 6)), st.lists(st.sampled_from([CAR, DOG, SKY]), min_size=6))
def test_what_must_hold_of_any_map(rows, classes):
    """Every pixel keeps its class, no two segments of a thing class touch, and areas and ids are those of the map."""
    classes = classes[:6]
    label_map, segments = joined(rows, classes)
    assert [segment.id for segment in segments] == list(range(1, len(segments) + 1))
    before, after = np.array([-1, *classes]), np.array([-1, *(segment.class_index for segment in segments)])
    assert (before[rows] == after[label_map]).all()
    assert [segment.area for segment in segments] == [(label_map == segment.id).sum() for segment in segments]
    for index in (CAR, DOG):
        components, count = ndimage.label(after[label_map] == index)
        assert all(len(np.unique(label_map[components == n])) == 1 for n in range(1, count + 1))
