"""Instances as AP compares them: FC-CLIP's rule for the predicted ones, run lengths only where they decide."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.annotated_objects import AnnotatedObjects, ObjectMask
from retclip.data import rle
from retclip.names import name_key
from retclip.types import MaskProposals, PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation import instances
from retclip.workflows.evaluation.instances import (
    Annotated,
    annotated_instances,
    merged_instances,
    predicted_instances,
)

NAMES, THINGS = ("sky", "car", "bus"), (False, True, True)
INDEX = {name_key(name): number for number, name in enumerate(NAMES)}
INFOS = (
    SegmentInfo(1, "sky", False, 4), SegmentInfo(2, "Car", True, 2), SegmentInfo(3, "car", True, 1, is_crowd=True),
    SegmentInfo(4, "boat", True, 1),
)  # fmt: skip
TRUTH = PanopticSegmentation(np.array([[1, 1, 2, 2], [1, 1, 3, 4]], dtype=np.int32), INFOS)


def test_annotated_things_with_their_crowds():
    found = annotated_instances(TRUTH, INDEX, THINGS).instances
    assert [(one.class_index, one.is_crowd) for one in found] == [(1, False), (1, True)]  # a boat is no class here
    assert [rle.decode(one.mask).tolist() for one in found] == [(TRUTH.label_map == i).tolist() for i in (2, 3)]


def test_objects_are_whole_where_the_annotation_has_them_so():
    whole = np.array([[False, True, True, True], [False, True, True, True]])
    sky = ObjectMask.of(~whole, "sky", is_thing=False)
    objects = (sky, ObjectMask.of(whole, "Car", area=5.5), ObjectMask.of(whole, "bus", is_crowd=True))
    said = AnnotatedObjects(objects, frozenset({"BUS", "sky", "boat"}), frozenset({"car"}))
    found = annotated_instances(replace(TRUTH, objects=said), INDEX, THINGS)
    assert [(one.class_index, one.is_crowd, one.area) for one in found.instances] == [(1, False, 5.5), (2, True, 6.0)]
    assert rle.decode(found.instances[0].mask).tolist() == whole.tolist()
    assert (found.absent, found.incomplete, found.uncounted) == ({2}, {1}, "")
    assert annotated_instances(TRUTH, INDEX, THINGS).absent is None
    assert annotated_instances(replace(TRUTH, objects=AnnotatedObjects(uncounted="why")), INDEX, THINGS).uncounted


def proposals():
    masks = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.8], [0.0, 0.2]]])
    return MaskProposals(masks, torch.ones(2), (2, 2))


def test_predicted_things_best_first_with_masks_where_they_decide():
    scores = torch.tensor([[0.6, 0.1, 0.0], [0.0, 0.5, 0.4]])
    found = predicted_instances(proposals(), scores, THINGS, annotated_instances(TRUTH, INDEX, THINGS))
    assert [one.class_index for one in found][:3] == [1, 2, 1]
    assert found[0].score == pytest.approx(0.5 * 0.8)
    assert rle.decode(found[0].mask).tolist() == [[False, True], [False, False]]
    assert rle.decode(found[2].mask).tolist() == [[True, False], [True, False]]
    assert found[1].mask is None  # no bus is annotated
    assert [one.area for one in found] == [1, 1, 2, 2]
    assert predicted_instances(proposals(), scores, THINGS, Annotated([]))[0].mask is None


def test_the_things_of_a_map_best_first():
    infos = (
        SegmentInfo(1, "sky", False, 4, 0.9, 0), SegmentInfo(2, "car", True, 2, 0.5, 1),
        SegmentInfo(3, "bus", True, 2, 0.7, 2),
    )  # fmt: skip
    found = merged_instances(
        PanopticSegmentation(np.array([[1, 1, 2, 2], [1, 1, 3, 3]], dtype=np.int32), infos),
        annotated_instances(TRUTH, INDEX, THINGS),
    )
    assert [(one.class_index, one.score, one.area) for one in found] == [(2, 0.7, 2), (1, 0.5, 2)]
    assert found[0].mask is None  # no bus is annotated
    assert rle.decode(found[1].mask).tolist() == [[False, False, True, True], [False] * 4]


def test_stuff_uses_up_places_and_no_mask_is_no_instance(monkeypatch):
    monkeypatch.setattr(instances, "MOST", 2)
    scores = torch.tensor([[0.6, 0.1, 0.0], [0.7, 0.5, 0.4]])
    assert predicted_instances(proposals(), scores, THINGS, Annotated([])) == []
    empty = MaskProposals(torch.zeros(0, 4, 4), torch.zeros(0), (6, 8))
    assert predicted_instances(empty, torch.zeros(0, 3), THINGS, Annotated([])) == []


def test_of_classes_that_were_looked_for_more_pairs_are_taken(monkeypatch):
    monkeypatch.setattr(instances, "MOST", 1)
    monkeypatch.setattr(instances, "MOST_LOOKED_FOR", 3)
    scores = torch.tensor([[0.0, 0.6, 0.1], [0.0, 0.5, 0.4]])
    assert len(predicted_instances(proposals(), scores, THINGS, Annotated([]))) == 1
    assert len(predicted_instances(proposals(), scores, THINGS, Annotated([], absent=frozenset()))) == 3
