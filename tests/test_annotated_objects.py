"""Whole masks kept small, renamed and moved with their photo."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from retclip.annotated_objects import AnnotatedObjects, ObjectMask


@settings(max_examples=100, deadline=None)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_any_mask_comes_back_as_it_was(mask):
    found = ObjectMask.of(mask, "car")
    assert np.array_equal(found.mask(), mask) and found.mask().dtype == np.bool_
    assert found.pixels == found.area == mask.sum()
    assert found.size == mask.shape and np.array_equal(found.within_box(), mask[found.box])


@pytest.mark.parametrize("mask", [np.ones((3000, 3000), bool), np.zeros((3000, 3000), bool)])
def test_a_plain_mask_takes_no_memory_whatever_its_size(mask):
    assert ObjectMask.of(mask, "car").runs.nbytes < 100


def test_an_area_may_be_stated_otherwise():
    assert ObjectMask.of(np.eye(4) > 0, "car", area=7.5).area == 7.5


def test_other_names_and_classes_that_are_left_out():
    objects = tuple(ObjectMask.of(np.eye(2) > 0, name) for name in ("car", "bus", "car"))
    said = AnnotatedObjects(objects, frozenset({"sky", "bus"}), frozenset({"car"}), "why")
    found = said.renamed({"car": "Auto", "sky": "Himmel"}.get)
    assert [one.class_name for one in found.objects] == ["Auto", "Auto"]
    assert (found.absent, found.incomplete, found.uncounted) == ({"Himmel"}, {"Auto"}, "why")
    assert AnnotatedObjects(objects).renamed(str.upper).absent is None


def test_masks_turn_with_their_photo():
    mask = np.array([[True, False, False], [True, True, False]])
    one = ObjectMask.of(mask, "car", is_thing=False, is_crowd=True, area=9.0)
    (found,) = AnnotatedObjects((one,)).moved(np.rot90).objects
    assert np.array_equal(found.mask(), np.rot90(mask)) and found.size == (3, 2)
    assert (found.class_name, found.is_thing, found.is_crowd, found.area) == ("car", False, True, 9.0)
