"""Instances as AP compares them: FC-CLIP's rule for the predicted ones, run lengths only where they decide."""

import numpy as np
import pytest
import torch

from retclip.data import rle
from retclip.names import name_key
from retclip.types import MaskProposals, PanopticSegmentation, SegmentInfo
from retclip.workflows import instances
from retclip.workflows.instances import annotated_instances, predicted_instances

NAMES, THINGS = ("sky", "car", "bus"), (False, True, True)
INDEX = {name_key(name): number for number, name in enumerate(NAMES)}
INFOS = (
    SegmentInfo(1, "sky", False, 4), SegmentInfo(2, "Car", True, 2), SegmentInfo(3, "car", True, 1, is_crowd=True),
    SegmentInfo(4, "boat", True, 1),
)  # fmt: skip
TRUTH = PanopticSegmentation(np.array([[1, 1, 2, 2], [1, 1, 3, 4]], dtype=np.int32), INFOS)


def test_annotated_things_with_their_crowds():
    found = annotated_instances(TRUTH, INDEX, THINGS)
    assert [(one.class_index, one.is_crowd) for one in found] == [(1, False), (1, True)]  # a boat is no class here
    assert [rle.decode(one.mask).tolist() for one in found] == [(TRUTH.label_map == i).tolist() for i in (2, 3)]


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
    assert predicted_instances(proposals(), scores, THINGS, [])[0].mask is None


def test_stuff_uses_up_places_and_no_mask_is_no_instance(monkeypatch):
    monkeypatch.setattr(instances, "MOST", 2)
    scores = torch.tensor([[0.6, 0.1, 0.0], [0.7, 0.5, 0.4]])
    assert predicted_instances(proposals(), scores, THINGS, []) == []
    empty = MaskProposals(torch.zeros(0, 4, 4), torch.zeros(0), (6, 8))
    assert predicted_instances(empty, torch.zeros(0, 3), THINGS, []) == []
