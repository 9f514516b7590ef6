"""What is counted of an image: four counts of one answer, and nothing where answer and annotation do not fit."""

import numpy as np
import pytest

from retclip.algorithms.average_precision import Instance
from retclip.errors import DataError
from retclip.types import PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation.counters import Counters, Prediction
from retclip.workflows.evaluation.instances import Annotated, annotated_instances

NAMES, THINGS = ("sky", "car", "bus"), (False, True, True)


def panoptic(rows, classes, crowds=()):
    label_map = np.array(rows, dtype=np.int32)
    infos = (SegmentInfo(i, name, name != "sky", 1, is_crowd=i in crowds) for i, name in classes.items())
    return PanopticSegmentation(label_map, tuple(infos))


TRUTH = panoptic([[1, 1, 9, 9], [0, 0, 4, 4]], {9: "car", 1: "sky", 4: "bus"})
GUESS = panoptic([[1, 1, 2, 2], [1, 1, 3, 3]], {1: "sky", 2: "car", 3: "car"})
SEMANTIC = np.array([[0, 0, 1, 1], [0, 0, 1, 2]])


def counted(truth=TRUTH, guess=GUESS):
    counters = Counters(NAMES, THINGS)
    annotated = annotated_instances(truth, counters.index, THINGS)
    predicted = [Instance(1, annotated.instances[0].mask, 0.9), Instance(0, None, 0.2)]
    return counters, counters.add(Prediction(guess, SEMANTIC, predicted), truth, annotated)


def test_one_image_by_hand():
    counters, accuracy = counted()
    assert accuracy == 5 / 6  # one pixel of the bus is called car, void does not count
    assert {name: (one.tp, one.fp, one.fn) for name, one in counters.quality.per_class.items()} == {
        "sky": (1, 0, 0), "car": (1, 1, 0), "bus": (0, 0, 1),
    }  # fmt: skip
    assert counters.confusion.counts[:, :3].tolist() == [[2, 0, 0], [0, 2, 0], [0, 1, 1], [2, 0, 0]]
    assert counters.precision.result().per_class == (None, pytest.approx(1.0), 0.0)
    assert (counters.right, counters.judged, counters.images) == (2, 3, 1)  # of a tie the first class counts


def test_a_crowd_is_not_judged_and_an_image_without_labels_has_no_accuracy():
    counters, _ = counted(panoptic([[1, 1, 9, 9], [0, 0, 4, 4]], {9: "car", 1: "sky", 4: "bus"}, crowds=(4,)))
    assert (counters.right, counters.judged) == (2, 2)
    void = panoptic([[0, 0, 0, 0], [0, 0, 0, 0]], {})
    counters = Counters(NAMES, THINGS)
    assert counters.add(Prediction(GUESS, SEMANTIC, []), void, Annotated([])) is None
    assert (counters.images, counters.judged) == (1, 0)


def test_what_does_not_fit_is_counted_nowhere():
    counters = Counters(NAMES, THINGS)
    with pytest.raises(DataError, match="same ids"):
        counters.add(Prediction(panoptic([[1, 1, 2, 2], [1, 1, 3, 3]], {1: "sky"}), SEMANTIC, []), TRUTH, Annotated([]))
    assert (counters.images, int(counters.confusion.counts.sum())) == (0, 0)


def test_one_annotation_that_ap_cannot_be_counted_against_is_told_and_the_rest_is_counted():
    counters, _ = counted()
    told = Annotated([], uncounted="nobody says what was looked for")
    counters.add(Prediction(GUESS, SEMANTIC, []), TRUTH, told)
    counters.add(Prediction(GUESS, SEMANTIC, []), TRUTH, Annotated([]))
    assert (counters.images, counters.no_precision) == (3, "nobody says what was looked for")
