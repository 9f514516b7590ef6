"""Leaving classes out: which stay, in which order, and what becomes of their pixels."""

import numpy as np
import pytest

from retclip.data.class_choice import AnnotatedSettings, chosen, keep_classes
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo

CLASSES = [SourceClass(name) for name in ("Sky", "Traffic  Light", "Car", "ＴＲＥＥ")]


def names(**options):
    return [one.name for one in chosen(CLASSES, AnnotatedSettings(path="set", **options))]


def test_all_stay_unless_told_otherwise():
    assert names() == ["Sky", "Traffic  Light", "Car", "ＴＲＥＥ"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"exclude": "sky"}, ["Traffic  Light", "Car", "ＴＲＥＥ"]),
        ({"exclude": ("traffic light", "TREE")}, ["Sky", "Car"]),
        ({"exclude": ["Car", "car"]}, ["Sky", "Traffic  Light", "ＴＲＥＥ"]),
        ({"only": "tree"}, ["ＴＲＥＥ"]),
        ({"only": ("Car", "Sky")}, ["Sky", "Car"]),  # in the order of the source, not of the request
        ({"only": ("Car", "Sky"), "exclude": ("Sky",)}, ["Car"]),
        ({"only": "Car", "exclude": "Car"}, []),
    ],
)
def test_names_are_matched_as_people_write_them(options, expected):
    assert names(**options) == expected


@pytest.mark.parametrize("options", [{"exclude": "dog"}, {"only": "dog"}, {"only": ("car", "")}, {"exclude": "ca"}])
def test_a_name_that_is_no_class_is_refused_with_the_choice_shown(options):
    with pytest.raises(DataError, match="choose from: Sky, Traffic") as caught:
        names(**options)
    assert "set" in caught.value.expected


TRUTH = PanopticSegmentation(
    np.array([[0, 1, 1], [2, 3, 3]], np.int32),
    (SegmentInfo(1, "Sky", False, 2), SegmentInfo(2, "Car", True, 1), SegmentInfo(3, "Car", True, 2, is_crowd=True)),
)


def test_pixels_of_other_classes_become_void_and_ids_stay():
    before = TRUTH.label_map.copy()
    kept = keep_classes(TRUTH, frozenset({"Car"}))
    assert kept.label_map.tolist() == [[0, 0, 0], [2, 3, 3]]
    assert kept.label_map.dtype == np.int32
    assert kept.segments == TRUTH.segments[1:]
    assert np.array_equal(TRUTH.label_map, before)


def test_nothing_kept_is_all_void_and_everything_kept_is_the_same():
    nothing = keep_classes(TRUTH, frozenset())
    assert not nothing.label_map.any()
    assert nothing.segments == ()
    assert keep_classes(TRUTH, frozenset({"Car", "Sky", "Dog"})) is TRUTH
