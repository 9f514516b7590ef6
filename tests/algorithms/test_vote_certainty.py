"""How certain a vote is: by hand, and where nobody votes."""

from math import exp, inf

import pytest
import torch

from retclip.algorithms.vote_certainty import vote_certainty


def test_the_worked_example():
    distances = torch.tensor([[0.37, 0.9], [0.6, 0.53], [0.45, inf]])
    found = vote_certainty(distances, torch.isfinite(distances), 0.45, 0.08)
    assert found.tolist() == pytest.approx([1 / (1 + exp(-1)), 1 / (1 + exp(1)), 0.5], abs=1e-6)


def test_the_nearest_that_votes_counts_and_without_one_nothing_is_certain():
    distances = torch.tensor([[0.1, 0.45], [0.1, 0.2]])
    valid = torch.tensor([[False, True], [False, False]])
    assert vote_certainty(distances, valid, 0.45, 0.08).tolist() == pytest.approx([0.5, 0.0])
    assert vote_certainty(distances[:, :0], valid[:, :0], 0.45, 0.08).tolist() == [0.0, 0.0]
