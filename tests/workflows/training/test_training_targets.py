"""Targets: a mask a thing, one a kind of stuff; crowds, void and strangers in none."""

import numpy as np
import torch

from retclip.types import SegmentInfo, Vocabulary
from retclip.workflows.training.training_targets import class_rows, targets_of

ROWS = class_rows(Vocabulary(("Car", "sky"), (True, False)))


def test_every_rule_on_one_picture():
    labels = np.array([[1, 1, 2, 2, 0], [3, 3, 4, 5, 6]], np.int32)
    segments = [
        SegmentInfo(1, "sky", False, 2),
        SegmentInfo(2, "car", True, 2),
        SegmentInfo(3, "sky", False, 2),  # merged with the first
        SegmentInfo(4, "car", True, 1, is_crowd=True),
        SegmentInfo(5, "cow", True, 1),  # no class of the vocabulary
        SegmentInfo(6, "car", True, 1),
        SegmentInfo(7, "car", True, 0),  # lies outside the crop
    ]
    found = targets_of(labels, segments, ROWS).on("cpu")
    assert found.classes.tolist() == [0, 0, 1]  # things in their order, then stuff
    car, other, sky = found.masks
    assert car.tolist() == (labels == 2).tolist() and other.tolist() == (labels == 6).tolist()
    assert sky.tolist() == np.isin(labels, [1, 3]).tolist()
    assert found.masks.dtype == torch.bool and found.classes.dtype == torch.int64


def test_nothing_to_find_is_an_answer():
    found = targets_of(np.zeros((3, 4), np.int32), [], ROWS).on("cpu")
    assert found.masks.shape == (0, 3, 4) and found.classes.shape == (0,)
