"""Prototypes by hand: means, centres, whose members are traced, and the scores of masks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from retclip.algorithms.prototypes import prototype_scores, prototypes


def test_the_mean_of_a_class_by_hand():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = prototypes(vectors, torch.tensor([0, 2, 0]), 1)
    assert torch.allclose(found.vectors, torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))
    assert found.classes.tolist() == [0, 2]
    assert [members.tolist() for members in found.members] == [[0, 2], [1]]


def test_centres_divide_a_class_into_what_lies_together_the_same_every_time():
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(3)[[0, 1, 2] * 10]
    vectors = F.normalize(centres + 0.05 * torch.randn(30, 3, generator=generator), dim=1)
    found = prototypes(vectors, torch.zeros(30, dtype=torch.int64), 3)
    assert sorted(map(len, found.members)) == [10, 10, 10]
    assert all(len(set((members % 3).tolist())) == 1 for members in found.members), "each is of one direction"
    assert sorted(np.concatenate(found.members).tolist()) == list(range(30))
    again = prototypes(vectors, torch.zeros(30, dtype=torch.int64), 3)
    assert torch.equal(found.vectors, again.vectors)
    few = prototypes(vectors[:2], torch.zeros(2, dtype=torch.int64), 3)
    assert torch.allclose(few.vectors, vectors[:2]) and [len(members) for members in few.members] == [1, 1]


def test_scores_by_hand():
    found = prototypes(torch.tensor([[1.0, 0.0], [0.5, 0.75**0.5]]), torch.tensor([0, 2]), 1)
    scores = prototype_scores(torch.tensor([[1.0, 0.0]]), found, 3, 0.5)
    assert scores.tolist() == [[pytest.approx(0.7311, abs=1e-4), 0.0, pytest.approx(0.2689, abs=1e-4)]]
    nothing = prototypes(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), 1)
    assert not prototype_scores(torch.tensor([[1.0, 0.0]]), nothing, 3, 0.5).any() and nothing.members == ()
