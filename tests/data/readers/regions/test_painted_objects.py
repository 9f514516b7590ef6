"""Overlapping objects become one annotation: crowds below, then from large to small."""

import tracemalloc

import numpy as np

from retclip.data.readers.regions.painted_objects import AnnotatedObject, painted


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


def test_an_object_without_pixels_is_left_out_and_keeps_its_number():
    found = painted(
        [AnnotatedObject("a", True, np.zeros((4, 4), bool)), AnnotatedObject("b", True, np.eye(4) > 0)], (4, 4)
    )
    assert [(one.id, one.area) for one in found.segments] == [(2, 4)]


def test_masks_of_any_shape_are_painted_as_they_are():
    rng = np.random.default_rng(0)
    masks = [rng.random((37, 53)) < share for share in (0.9, 0.5, 0.3, 0.01)]
    masks.append(np.asfortranarray(masks[2]))
    found = painted([AnnotatedObject("a", True, mask) for mask in masks], (37, 53)).label_map
    wanted = np.zeros((37, 53), int)
    for number in (1, 2, 3, 5, 4):  # from large to small, of equals the later one above
        wanted[masks[number - 1]] = number
    assert np.array_equal(found, wanted)


def test_one_mask_of_full_size_is_held_at_a_time():
    side = 512

    def objects():
        for _ in range(60):
            yield AnnotatedObject("a", True, np.ones((side, side), bool))

    tracemalloc.start()
    try:
        painted(objects(), (side, side))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25 * side * side  # bytes; together the masks take 60 a pixel
