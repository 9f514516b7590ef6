"""Instances by hand: what takes a place, what is dropped, how a score comes about; and against a slow count."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms import instance_selection as module
from retclip.algorithms.instance_selection import instance_selection, instances_in_parts
from retclip.types import MaskLogits

MASKS = torch.tensor([[[0.9, 0.7, 0.2]], [[0.1, 0.6, 1.0]]])
THINGS = torch.tensor([True, False])


def test_the_worked_example():
    scores = torch.tensor([[0.9, 0.2], [0.1, 0.8]])
    found = instance_selection(MASKS, scores, THINGS, k=2)
    assert found.proposals.tolist() == [0]
    assert found.classes.tolist() == [0]
    assert found.masks.tolist() == [[[True, True, False]]]
    assert found.scores.tolist() == [pytest.approx(0.9 * (0.9 + 0.7) / 2)]


def test_one_mask_may_be_an_instance_of_two_classes():
    found = instance_selection(MASKS[:1], torch.tensor([[0.5, 0.4]]), torch.tensor([True, True]))
    assert found.proposals.tolist() == [0, 0]
    assert found.classes.tolist() == [0, 1]


def test_stuff_uses_up_a_place():
    scores = torch.tensor([[0.3, 0.9], [0.2, 0.8]])
    assert len(instance_selection(MASKS, scores, THINGS, k=2).classes) == 0
    assert instance_selection(MASKS, scores, THINGS, k=3).proposals.tolist() == [0]


def test_a_mask_of_no_pixels_has_score_zero():
    found = instance_selection(torch.full((1, 2, 2), 0.5), torch.tensor([[0.7]]), torch.tensor([True]))
    assert found.scores.tolist() == [0.0]


def test_nothing_in_nothing_out():
    found = instance_selection(torch.zeros(0, 2, 3), torch.zeros(0, 2), THINGS)
    assert found.masks.shape == (0, 2, 3)
    assert instance_selection(MASKS, torch.zeros(2, 0), torch.zeros(0, dtype=torch.bool)).masks.shape == (0, 1, 3)


def test_logits_are_painted_on_the_photo():
    logits = MaskLogits(torch.tensor([[[4.0, 4.0, -4.0, 9.0]]]), (1, 4), (1, 3))  # the last cell is padding
    found = instance_selection(logits, torch.tensor([[1.0]]), torch.tensor([True]))
    assert found.masks.tolist() == [[[True, True, False]]]
    assert found.scores[0] == pytest.approx(torch.tensor(4.0).sigmoid())


def test_they_come_in_small_parts_and_one_by_one_where_the_photo_is_large(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    masks, scores = torch.rand(9, 4, 6, generator=generator), torch.rand(9, 5, generator=generator)
    things = torch.tensor([True, True, False, True, False])
    whole = instance_selection(masks, scores, things, (8, 12))
    assert [len(one.classes) for one in instances_in_parts(masks, scores, things, (8, 12))] == [16, 11]
    monkeypatch.setattr(module, "CHUNK", 8 * 12)
    parts = list(instances_in_parts(masks, scores, things, (8, 12)))
    assert {tuple(one.masks.shape) for one in parts} == {(1, 8, 12)}
    assert torch.equal(torch.cat([one.masks for one in parts]), whole.masks)
    assert torch.equal(torch.cat([one.classes for one in parts]), whole.classes)
    assert torch.allclose(torch.cat([one.scores for one in parts]), whole.scores)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6), st.integers(1, 4), st.integers(1, 8), st.integers(0, 10**6))
def test_it_equals_a_slow_count(n, c, k, seed):
    generator = torch.Generator().manual_seed(seed)
    masks, scores = torch.rand(n, 3, 4, generator=generator), torch.rand(n, c, generator=generator)
    is_thing = torch.rand(c, generator=generator) > 0.4
    pairs = sorted(((float(scores[i, j]), i, j) for i in range(n) for j in range(c)), reverse=True)[:k]
    wanted = []
    for score, i, j in pairs:
        inside = [float(value) for value in masks[i].flatten() if value > 0.5]
        if is_thing[j]:
            wanted.append((i, j, score * sum(inside) / (len(inside) + 1e-6)))
    found = instance_selection(masks, scores, is_thing, k=k)
    told = zip(found.proposals.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True)
    assert [(i, j) for i, j, _ in told] == [(i, j) for i, j, _ in wanted]
    assert found.scores.tolist() == pytest.approx([score for *_, score in wanted], abs=1e-5)
