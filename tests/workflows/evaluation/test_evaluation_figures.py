"""Figures from counts: in percent, over all classes and over groups; None where there is nothing to tell."""

import json

import numpy as np
import pytest

from retclip.algorithms.average_precision import Instance
from retclip.algorithms.panoptic_quality import ClassQuality
from retclip.data import rle
from retclip.workflows.evaluation import evaluation_figures
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.evaluation_figures import Confusion, GroupFigures, summary

NAMES, THINGS = ("sky", "car", "bus", "sea"), (False, True, True, False)
SETTINGS = {"retclip": "0"}


@pytest.fixture
def counters():
    """sky: half right; car: found; bus: missed, half of it called car, half nothing; sea: nowhere."""
    found = Counters(NAMES, THINGS)
    found.images, found.right, found.judged = 1, 1, 4
    found.quality.per_class |= {
        "sky": ClassQuality(1, 1, 0, 0.6),
        "car": ClassQuality(2, 0, 0, 1.8),
        "bus": ClassQuality(0, 0, 1),
    }
    found.confusion.add(np.array([[0, 1, 1, 1, -1]]), np.array([[0, 0, 1, 2, 2]]))
    mask = rle.encode(np.ones((2, 2), dtype=bool))
    found.precision.include(found.precision.compared([Instance(1, mask, 0.9)], [Instance(1, mask), Instance(2, mask)]))
    return found


def told(counters, seen=None):
    return summary(counters, seen, ("sea",), (), SETTINGS)


def test_over_all_classes(counters):
    found = told(counters)
    assert (found.pq, found.sq, found.rq) == pytest.approx((130 / 3, 50, 500 / 9))
    assert (found.pq_things, found.pq_stuff) == pytest.approx((45, 40))
    assert (found.map, found.map50, found.map75) == pytest.approx((50, 50, 50))
    assert found.miou == pytest.approx(100 * (1 / 2 + 1 / 3 + 0) / 3)
    assert (found.pixel_accuracy, found.segment_accuracy) == (40, 25)
    assert (found.missing, found.failures, found.settings, found.groups) == (("sea",), (), SETTINGS, {})


def test_what_was_not_counted_has_no_figure():
    empty = Counters(NAMES, THINGS)
    empty.images = 1
    empty.confusion.add(np.array([[0, 1]]), np.array([[-1, -1]]))
    found = told(empty)
    figures = ("pq", "sq", "rq", "pq_things", "pq_stuff", "map", "map50", "map75", "miou")
    assert {getattr(found, key) for key in (*figures, "pixel_accuracy", "segment_accuracy")} == {None}
    assert {row[key] for row in found.per_class.values() for key in ("pq", "sq", "rq", "ap", "iou")} == {None}
    json.dumps(found.as_dict(), allow_nan=False)


def test_groups_are_means_over_their_classes(counters):
    found = told(counters, (True, True, False, False))
    assert found.groups["seen"] == GroupFigures(
        2, *(pytest.approx(one) for one in (65, 75, 250 / 3, 100, 100 * (1 / 2 + 1 / 3) / 2))
    )
    assert found.groups["unseen"] == GroupFigures(2, 0, 0, 0, 0, 0)
    assert [row["seen"] for row in found.per_class.values()] == [True, True, False, False]
    nowhere = told(counters, (False, False, False, True)).groups["seen"]
    assert nowhere == GroupFigures(1, None, None, None, None, None)
    assert told(counters, (True,) * 4).groups["unseen"].classes == 0


def test_a_row_per_class(counters):
    rows = told(counters).per_class
    assert [row.pop("boundary_iou") for row in rows.values()] == [None] * 4, "no contour was counted"
    assert rows["car"] == pytest.approx(
        {"pq": 90, "sq": 90, "rq": 100, "ap": 100, "iou": 100 / 3, "tp": 2, "fp": 0, "fn": 0, "seen": None}
    )
    assert rows["sea"] == {
        "pq": None, "sq": None, "rq": None, "ap": None, "iou": None, "tp": 0, "fp": 0, "fn": 0, "seen": None,
    }  # fmt: skip


def test_what_was_mixed_up(counters, monkeypatch):
    wanted = (Confusion("sky", "car", 1, 50), Confusion("bus", "car", 1, 50), Confusion("bus", None, 1, 50))
    assert told(counters).confusion == wanted
    monkeypatch.setattr(evaluation_figures, "CONFUSED", 1)
    assert told(counters).confusion == wanted[:1]


def test_it_is_plain_data(counters):
    document = json.loads(json.dumps(told(counters, (True, False, False, False)).as_dict(), allow_nan=False))
    assert document["groups"]["seen"] == {
        "classes": 1,
        "pq": 40,
        "sq": 60,
        "rq": pytest.approx(200 / 3),
        "map": None,
        "miou": 50,
        "fwiou": None,
        "boundary_iou": None,
    }
    assert document["confusion"][2] == {"annotated": "bus", "predicted": None, "pixels": 1, "share": 50}
