"""Doubt by hand: its chances, its views, and what is fitted to a store."""

import math

import pytest
import torch

from retclip.algorithms.label_doubt import (
    USUAL_SLOPES,
    USUAL_WEIGHTS,
    DoubtRule,
    fitted_rule,
    mask_shapes,
    standardised,
    within_class_vectors,
)


def first_view(rows):
    """(3, n, c) distances of which the first view alone says something."""
    distances = torch.tensor(rows)
    return torch.stack([distances, torch.zeros_like(distances), torch.zeros_like(distances)])


RULE = DoubtRule(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.5, 0.0, 0.0]), 0.1)


def test_the_worked_example():
    doubt, suggested = RULE.judged(first_view([[0.1, 0.05]] * 2), torch.tensor([0, 1]), torch.zeros(2))
    chance = 1 / (1 + math.exp(2))
    assert doubt.tolist() == pytest.approx([0.1 / (0.1 + 0.9 * 2 * chance), 0.1 / (0.1 + 0.9 * 2 * (1 - chance))])
    assert doubt[0].item() == pytest.approx(0.318, abs=1e-3)
    assert suggested.tolist() == [1, -1]  # a class that is likelier, or none


def test_the_size_of_a_mask_makes_its_chances_flatter():
    doubt, _ = RULE.judged(first_view([[0.1, 0.05]] * 2), torch.tensor([0, 0]), torch.tensor([-1.0, -4.0]))
    half = 1 / (1 + math.exp(1))  # 1 - 0.5 instead of 1
    assert doubt.tolist() == pytest.approx([0.1 / (0.1 + 1.8 * half), 0.1])  # a weight is never below 0


def test_what_nothing_is_known_of_is_not_doubted():
    distances = first_view([[math.inf, 0.1], [0.1, math.inf], [math.inf, math.inf], [0.1, 0.2]])
    doubt, suggested = RULE.judged(distances, torch.tensor([0, 0, 0, 0]), torch.zeros(4))
    assert torch.isnan(doubt).tolist() == [True, True, True, False] and suggested.tolist() == [-1] * 4


def test_vectors_without_the_scatter_of_classes():
    vectors = torch.tensor([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]])
    found = within_class_vectors(vectors, torch.tensor([3, 3, 8, 8]))
    first = torch.tensor([1 / math.sqrt(4 / 3), 2 / math.sqrt(20 / 3)])  # S = diag(4/3, 20/3)
    wanted = first / first.norm()
    corners = torch.stack([wanted, wanted * torch.tensor([1, -1]), wanted * torch.tensor([-1, 1]), -wanted])
    assert torch.allclose(found @ found.T, corners @ corners.T)  # whatever the axes


def test_without_two_of_a_class_vectors_are_only_centred():
    found = within_class_vectors(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    assert (found[0] @ found[1]).item() == pytest.approx(-1.0)


def test_shapes_and_standard_units():
    shape = mask_shapes(torch.tensor([[0.0, 30, 20, 10, 100, 100, 50]]))
    wanted = [math.log(0.02), math.log(0.04), math.log(2), 0.1, 0.7, 0.5]
    assert shape[0].tolist() == pytest.approx(wanted, abs=1e-5)
    units = standardised(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert units.tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def store(count, wrong, seed=0):
    """Segments of four classes, each near its own, some of them with another label: distances, labels, which are."""
    made = torch.Generator().manual_seed(seed)
    right = torch.randint(0, 4, (count,), generator=made)
    near = 0.4 + 0.02 * torch.randn(3, count, 4, generator=made)
    near.scatter_(2, right.expand(3, -1)[..., None], 0.1)
    flipped = torch.arange(count) < wrong
    return near, torch.where(flipped, (right + 1) % 4, right), flipped


def test_the_share_of_wrong_labels_is_found_and_they_are_the_most_doubted():
    distances, labels, wrong = store(4000, 400)
    rule = fitted_rule(distances, labels, torch.zeros(4000))
    doubt, suggested = rule.judged(distances, labels, torch.zeros(4000))
    assert doubt[wrong].min() > 0.5 > doubt[~wrong].max()
    assert torch.equal(suggested[wrong], (labels[wrong] - 1) % 4) and (suggested[~wrong] == -1).all()
    assert 0.06 < rule.wrong < 0.1  # of 0.047 where nothing is known, towards a tenth


def test_a_small_store_keeps_the_usual_rule():
    distances, labels, _ = store(8, 0)
    rule = fitted_rule(distances, labels, torch.randn(8, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(rule.weights, torch.tensor(USUAL_WEIGHTS), atol=0.05)
    assert torch.allclose(rule.slopes, torch.tensor(USUAL_SLOPES), atol=0.05)
    nobody = fitted_rule(torch.full((3, 2, 2), torch.inf), torch.tensor([0, 1]), torch.zeros(2))
    assert nobody.weights.tolist() == pytest.approx(USUAL_WEIGHTS)
