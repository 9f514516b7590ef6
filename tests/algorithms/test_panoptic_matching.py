"""What matches what in one image, by hand. The counts over many images are compared in test_panoptic_quality."""

import numpy as np
import pytest

from retclip.algorithms.panoptic_matching import labelled, match_segments
from retclip.errors import DataError
from retclip.types import PanopticSegmentation, SegmentInfo


def panoptic(rows, classes, crowds=()):
    infos = (SegmentInfo(i, name, True, 0, is_crowd=i in crowds) for i, name in classes.items())
    return labelled(PanopticSegmentation(np.array(rows, np.int32), tuple(infos)))


def test_matched_false_and_missed_by_hand():
    truth = panoptic([[1, 1, 1, 0], [2, 2, 3, 3]], {1: "cat", 2: "dog", 3: "dog"})
    guess = panoptic([[5, 5, 5, 5], [6, 6, 6, 7]], {5: "cat", 6: "dog", 7: "cat"})
    found = match_segments(guess, truth, {"cat", "dog"})
    # cat 5: 3 of 3, void left out; dog 6: 2 of 3 with dog 2; cat 7 on a dog; dog 3 has one pixel of dog 6
    assert [(one.predicted.id, one.annotated.id, one.iou) for one in found.true_positives] == [
        (5, 1, 1.0), (6, 2, pytest.approx(2 / 3)),
    ]  # fmt: skip
    assert [one.id for one in found.false_positives] == [7]
    assert [one.id for one in found.false_negatives] == [3]
    assert found.overlaps == {(5, 0): 1, (5, 1): 3, (6, 2): 2, (6, 3): 1, (7, 3): 1}


def test_what_void_or_a_crowd_of_its_class_covers_is_neither():
    truth = panoptic([[1, 1, 0, 0]], {1: "cat"}, crowds={1})
    found = match_segments(panoptic([[5, 5, 6, 6]], {5: "cat", 6: "dog"}), truth, {"cat", "dog"})
    assert (found.true_positives, found.false_positives, found.false_negatives) == ((), (), ())
    found = match_segments(panoptic([[5, 5, 6, 6]], {5: "dog", 6: "dog"}), truth, {"cat", "dog"})
    assert [one.id for one in found.false_positives] == [5], "the crowd is of another class"


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(DataError, match="predict at full size"):
        match_segments(panoptic([[1]], {1: "cat"}), panoptic([[1, 1]], {1: "cat"}), {"cat"})
