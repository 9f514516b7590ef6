"""Overlapping objects become one annotation: crowds below, then from large to small."""

import numpy as np

from retclip.data.painted_objects import AnnotatedObject, painted


def test_an_object_that_others_hide_is_left_out():
    full, part = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    part[:2] = True
    found = painted([AnnotatedObject("a", True, part), AnnotatedObject("b", True, part.copy())], (4, 4))
    assert [one.class_name for one in found.segments] == ["b"]  # of equals the later one
    found = painted([AnnotatedObject("a", True, full), AnnotatedObject("b", True, part)], (4, 4))
    assert [(one.class_name, one.area) for one in found.segments] == [("a", 8), ("b", 8)]
    assert painted([], (4, 4)).segments == ()


def test_a_crowd_lies_below_even_a_larger_object():
    small, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    small[0] = True
    found = painted([AnnotatedObject("a", True, full), AnnotatedObject("b", True, small, is_crowd=True)], (4, 4))
    assert [(one.class_name, one.area) for one in found.segments] == [("a", 16)]
    found = painted([AnnotatedObject("a", True, small), AnnotatedObject("b", True, full, is_crowd=True)], (4, 4))
    assert [(one.class_name, one.area, one.is_crowd) for one in found.segments] == [("a", 4, False), ("b", 12, True)]
