"""Annotated segments as masks: which ones, in which order, and on which grid."""

import numpy as np
import pytest
import torch
from retclip_reference import GroundTruthSettings
from retclip_reference.ground_truth import GroundTruth

from retclip.errors import DataError
from retclip.types import Device, Image, PanopticSegmentation, SegmentInfo, Vocabulary

MAP = np.array(
    [
        [7, 7, 7, 7, 0, 2],
        [7, 7, 7, 7, 2, 2],
        [9, 9, 4, 4, 4, 4],
        [9, 9, 4, 4, 4, 4],
    ],
    dtype=np.int32,
)
# Not in the order of the ids: the masks follow the list.
SEGMENTS = (
    SegmentInfo(7, "sky", False, 8),
    SegmentInfo(2, "bird", True, 3),
    SegmentInfo(4, "grass", False, 8),
    SegmentInfo(9, "people", True, 4, is_crowd=True),
)
ALL = ("grass", "sky", "bird", "people")


def photo(truth=PanopticSegmentation(MAP, SEGMENTS), size=MAP.shape):
    return Image(np.zeros((*size, 3), np.uint8), "a" * 64, "photo.png", truth)


def propose(image, names=ALL, **given):
    vocabulary = Vocabulary(names, (False,) * len(names))
    (found,) = GroundTruth(GroundTruthSettings(**given), Device()).propose([image], vocabulary, [])
    return found


def test_a_mask_per_segment_in_the_annotations_order_without_crowds():
    found = propose(photo())
    assert found.prompts == ("sky", "bird", "grass")
    assert found.masks.dtype == torch.float32
    assert found.image_size == (4, 6)
    for mask, number in zip(found.masks, (7, 2, 4), strict=True):
        assert (mask.numpy() == np.equal(MAP, number)).all()
    assert found.objectness.tolist() == [1, 1, 1]


def test_small_segments_are_left_out():
    assert propose(photo(), min_area=3).prompts == ("sky", "bird", "grass")
    assert propose(photo(), min_area=4).prompts == ("sky", "grass")


def test_classes_that_nobody_asked_for_are_left_out():
    assert propose(photo(), names=("bird", "car")).prompts == ("bird",)


def test_no_segment_left_is_a_valid_answer():
    found = propose(photo(), names=("car",))
    assert found.masks.shape == (0, 4, 6)
    assert found.objectness.shape == (0,)
    assert found.prompts == ()


def test_a_photo_without_annotation_is_refused_by_name():
    with pytest.raises(DataError, match=r"photo\.png"):
        propose(photo(truth=None))
    nameless = Image(np.zeros((4, 6, 3), np.uint8), "b" * 64)
    with pytest.raises(DataError, match=r"'b{12}'"):
        propose(nameless)


def enlarged(times):
    """The same annotation on a photo so many times as large."""
    label_map = MAP.repeat(times, axis=0).repeat(times, axis=1)
    grown = tuple(
        SegmentInfo(one.id, one.class_name, one.is_thing, one.area * times**2, is_crowd=one.is_crowd)
        for one in SEGMENTS
    )
    return photo(PanopticSegmentation(label_map, grown), label_map.shape)


def test_a_longer_side_gives_a_smaller_grid():
    found = propose(enlarged(10), side=16)
    assert found.masks.shape == (3, 11, 16)  # 40 x 60 times 16 / 60
    assert found.image_size == (40, 60)
    assert propose(enlarged(10), side=60).masks.shape == (3, 40, 60)  # not longer than that


def test_on_a_smaller_grid_a_value_is_the_share_of_the_cell():
    """The map four times as large, 24 pixels wide, onto 16, 8 and 6 cells of whole and half former pixels."""
    found = propose(enlarged(8), side=24)  # 32 x 48: a former pixel is 4 x 4 cells
    assert (found.masks[0].numpy() == (MAP == 7).repeat(4, axis=0).repeat(4, axis=1)).all()
    label_map = MAP.repeat(8, axis=0).repeat(8, axis=1)
    shifted = PanopticSegmentation(np.roll(label_map, (1, 1), axis=(0, 1)), SEGMENTS)
    found = propose(photo(shifted, label_map.shape), side=24)
    wanted = (shifted.label_map == 4).reshape(16, 2, 24, 2).mean(axis=(1, 3))
    assert found.masks[2].numpy() == pytest.approx(wanted)
    assert set(np.unique(wanted)) == {0, 0.25, 0.5, 1}  # a corner, edges and the inside


def test_shares_of_a_fully_labelled_photo_sum_to_one_on_any_grid():
    label_map = np.random.default_rng(0).integers(1, 4, (50, 37)).astype(np.int32)
    segments = tuple(SegmentInfo(i, "sky", False, 1) for i in (1, 2, 3))
    found = propose(photo(PanopticSegmentation(label_map, segments), label_map.shape), side=23)
    assert found.masks.shape == (3, 23, 17)
    torch.testing.assert_close(found.masks.sum(dim=0), torch.ones(23, 17))


def test_a_batch_is_answered_in_order():
    vocabulary = Vocabulary(ALL, (False,) * 4)
    other = photo(PanopticSegmentation(np.full((2, 2), 1, np.int32), (SegmentInfo(1, "sky", False, 4),)), (2, 2))
    found = GroundTruth(GroundTruthSettings(), Device()).propose([photo(), other], vocabulary, [])
    assert [one.prompts for one in found] == [("sky", "bird", "grass"), ("sky",)]
    assert [one.image_size for one in found] == [(4, 6), (2, 2)]
