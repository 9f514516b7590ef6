"""Labels from image-level names: the written formula by hand, and which masks say something again."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retclip.algorithms.assigned_labels import assigned_labels, mask_nms

TEXT = torch.eye(3)  # three classes, a name each
ROWS = torch.arange(3)


def unit(*values):
    return torch.nn.functional.normalize(torch.tensor([values]), dim=-1)


def test_the_example_of_the_docstring():
    vector = unit(1.0, 1.0, 0.0)  # as near to class 0 as to class 1
    present = torch.tensor([True, False, False])
    labels, confidence = assigned_labels(vector, TEXT, ROWS, present, 100.0, 0.25)
    assert labels.tolist() == [0] and confidence.item() == pytest.approx(0.8, abs=1e-6)


def test_an_absent_class_that_fits_better_takes_the_confidence_not_the_label():
    vectors = torch.cat((unit(0.0, 1.0, 0.0), unit(0.9, 0.1, 0.0)))
    present = torch.tensor([True, False, True])
    labels, confidence = assigned_labels(vectors, TEXT, ROWS, present, 10.0, 0.5)
    assert labels.tolist() == [0, 0]
    weights = [1.0, 0.5 * math.exp(10.0), 1.0]  # of the first mask, the cosine with class 0 and 2 being 0
    assert confidence[0].item() == pytest.approx(weights[0] / sum(weights), rel=1e-5)
    assert confidence[1] > 0.99


def test_labels_that_are_believed_leave_nothing_to_the_others():
    """absent = 0 with one class: every mask is it, for sure; absent = 1: as if nobody had said what is there."""
    vector, present = unit(0.0, 1.0, 0.0), torch.tensor([True, False, False])
    believed = assigned_labels(vector, TEXT, ROWS, present, 100.0, 0.0)[1]
    doubted = assigned_labels(vector, TEXT, ROWS, present, 3.0, 1.0)[1]
    assert believed.item() == 1.0
    assert doubted.item() == pytest.approx(torch.softmax(3.0 * vector[0], 0)[0].item(), rel=1e-6)


def test_a_class_is_as_near_as_the_nearest_of_its_names():
    rows = torch.tensor([0, 0, 1])
    labels, _ = assigned_labels(unit(0.0, 1.0, 0.5), TEXT, rows, torch.tensor([True, True]), 10.0, 0.1)
    assert labels.tolist() == [0]


def test_nothing_present_and_no_masks():
    labels, confidence = assigned_labels(unit(1.0, 0, 0), TEXT, ROWS, torch.zeros(3, dtype=torch.bool), 100.0, 0.1)
    assert labels.tolist() == [-1] and confidence.tolist() == [0.0]
    labels, confidence = assigned_labels(torch.zeros(0, 3), TEXT, ROWS, torch.ones(3, dtype=torch.bool), 100.0, 0.1)
    assert labels.shape == confidence.shape == (0,)


@given(st.integers(0, 2**31 - 1), st.floats(0, 1), st.floats(1, 100))
def test_confidence_is_a_probability_and_falls_as_absent_classes_grow_likelier(seed, absent, scale):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(4, 3, generator=generator), dim=-1)
    present = torch.tensor([True, False, True])
    labels, confidence = assigned_labels(vectors, TEXT, ROWS, present, scale, absent)
    assert set(labels.tolist()) <= {0, 2} and bool(((confidence >= 0) & (confidence <= 1)).all())
    sure = assigned_labels(vectors, TEXT, ROWS, present, scale, 0.0)[1]
    assert bool((confidence <= sure + 1e-6).all())


def masks(*boxes):
    found = torch.zeros(len(boxes), 4, 8)
    for one, (top, bottom, left, right) in zip(found, boxes, strict=True):
        one[top:bottom, left:right] = 0.9
    return found


def test_of_masks_that_say_the_same_the_surest_stays():
    several = masks((0, 4, 0, 4), (0, 4, 0, 5), (0, 4, 4, 8), (0, 2, 0, 2))
    score = torch.tensor([0.6, 0.9, 0.5, 0.8])  # the second covers the first by 16 / 20 = 0.8, the third by 4 / 32
    assert mask_nms(several, score, 0.5).tolist() == [1, 3, 2]
    assert mask_nms(several, score, 0.81).tolist() == [1, 3, 0, 2]
    assert mask_nms(several, score, 0.0).tolist() == [1]


def test_empty_masks_and_none_at_all():
    several = masks((0, 0, 0, 0), (0, 0, 0, 0), (0, 4, 0, 4))
    assert mask_nms(several, torch.tensor([0.1, 0.2, 0.3]), 0.0).tolist() == [2, 1, 0]
    assert mask_nms(masks(), torch.zeros(0), 0.5).tolist() == []
