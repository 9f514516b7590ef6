"""What flipped and who lost, worked out by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from retclip.algorithms.mean_iou import ConfusionMatrix
from retclip.errors import Regression
from retclip.types import PanopticSegmentation, SegmentInfo
from retclip.workflows.classes.regression_figures import Comparison, Figures, class_map, regression_report

NAMES = ("car", "sky", "fog")


@pytest.fixture
def pairs():
    """Of ten pixels: car 4 (1 stays, 2 to fog, 1 to none), sky 5 (3 stay, 1 to car, 1 to fog), 1 of none to sky."""
    counted = ConfusionMatrix(3)
    before = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1, -1]])
    counted.add(np.array([[0, 2, 2, -1, 1, 1, 1, 0, 2, 1]]), before)
    return counted


def report(pairs, walks=None, shown=(), limit=None, new="fog"):
    return regression_report(Comparison(NAMES, new, pairs.counts, walks, shown), 1, limit, (), {})


def walk(**iou):
    return SimpleNamespace(per_class={name: {"iou": iou.get(name), "pq": 10.0} for name in NAMES})


def test_every_pixel_is_accounted_for(pairs):
    found = report(pairs)
    by_name = {one.name: one for one in (found.new, *found.classes)}
    car, sky, fog = (by_name[name] for name in NAMES)
    assert (car.before, car.after, car.to_new, car.to_others, car.to_none, car.came) == (4, 2, 2, 0, 1, 1)
    assert (sky.before, sky.after, sky.to_new, sky.to_others, sky.to_none, sky.came) == (5, 4, 1, 1, 0, 1)
    assert (fog.before, fog.after, fog.to_new, fog.came, fog.lost) == (0, 3, 0, 3, None)
    assert (car.lost, sky.lost, found.flipped) == (75, 40, pytest.approx(60))
    assert (found.new, [one.name for one in found.classes]) == (fog, ["car", "sky"])


def test_without_annotation_the_share_lost_is_held_against_the_limit(pairs):
    assert [one.name for one in report(pairs, limit=39.9).worse] == ["car", "sky"]
    assert [one.name for one in report(pairs, limit=40.0).worse] == ["car"], "as much as the limit is allowed"
    assert report(pairs, limit=75.0).worse == () == report(pairs).worse


def test_with_annotation_the_iou_is(pairs):
    walks = (walk(car=80.0, sky=50.0), walk(car=90.0, sky=48.5, fog=70.0))
    found = report(pairs, walks, shown=set(NAMES), limit=1.0)
    assert [(one.name, one.regression) for one in found.classes] == [("sky", 1.5), ("car", -10.0)]
    assert [one.name for one in found.worse] == ["sky"]
    assert (found.new.iou, found.new.iou.change, found.new.pq) == (Figures(None, 70.0), None, Figures(10.0, 10.0))
    assert found.annotated and not report(pairs).annotated


def test_a_class_that_the_annotation_does_not_show_is_not_judged(pairs):
    walks = (walk(car=80.0, sky=0.0), walk(car=80.0, sky=None))
    found = report(pairs, walks, shown={"car"}, limit=0.0)
    sky = next(one for one in found.classes if one.name == "sky")
    assert (sky.iou, sky.pq, sky.regression, found.worse) == (Figures(), Figures(), None, ())


def test_more_of_a_class_that_is_there_is_not_held_against_itself(pairs):
    found = report(pairs, limit=50.0, new="car")
    assert (found.new.name, found.new.to_new, found.new.lost) == ("car", 0, 75)
    assert {one.name for one in found.classes} == {"sky", "fog"}
    assert next(one for one in found.classes if one.name == "sky").to_new == 1
    assert found.worse == ()


def test_the_error_names_the_worst_with_their_figures(pairs):
    told = report(pairs, limit=10).error((7, 6))
    assert isinstance(told, Regression) and told.exit_code == 8
    assert told.expected == "no old class to lose more than 10 points of its pixels"
    assert "car -75.0 (2 of 4 pixels to the new class), sky -40.0" in told.got and "'fog'" in told.got
    assert "event 7, 6" in told.todo
    walks = (walk(car=80.0, sky=50.0), walk(car=70.5, sky=50.0))
    assert "car -9.5 (IoU 80.0 -> 70.5) after" in report(pairs, walks, shown=set(NAMES), limit=1).error((7,)).got


def test_of_many_worse_classes_five_are_named():
    names = tuple("abcdefgh")
    counted = ConfusionMatrix(8)
    counted.add(np.full((1, 7), 7), np.arange(7)[None])
    told = regression_report(Comparison(names, "h", counted.counts, None, ()), 1, 1.0, (), {}).error((1,))
    assert told.got.count("-100.0") == 5 and "and 2 more classes" in told.got


def test_a_probe_without_a_pixel_that_changed(pairs):
    counted = ConfusionMatrix(3)
    assert report(counted).flipped == 0
    counted.add(np.array([[0, -1]]), np.array([[0, -1]]))
    assert report(counted).flipped == 0


def test_it_is_plain_data(pairs):
    document = json.loads(json.dumps(report(pairs, limit=50).as_dict()))
    assert document["worse"] == ["car"] and document["classes"][0]["iou"] == {"before": None, "after": None}
    assert document["new"]["after"] == 3


def test_the_class_of_every_pixel():
    label_map = np.array([[0, 7], [3, 3]], dtype=np.int32)
    infos = (SegmentInfo(7, "sky", False, 1, class_index=1), SegmentInfo(3, "car", True, 2, class_index=0))
    assert class_map(PanopticSegmentation(label_map, infos)).tolist() == [[-1, 1], [0, 0]]
    assert class_map(PanopticSegmentation(np.zeros((1, 2), np.int32), ())).tolist() == [[-1, -1]]
