"""Models that are filled from a file draw no random numbers."""

import torch
from torch import nn

from retclip.plugin.new_models import NoRandomNumbers


def test_nothing_is_drawn_and_the_random_state_stays():
    state = torch.get_rng_state()
    with NoRandomNumbers():
        model = nn.Sequential(nn.Linear(8, 8), nn.Conv2d(3, 4, 3), nn.Embedding(5, 2), nn.LayerNorm(4))
        nn.init.trunc_normal_(model[0].weight)
    assert torch.equal(torch.get_rng_state(), state)
    assert model[3].weight.tolist() == [1.0] * 4  # what is set without chance is set
    assert [tuple(value.shape) for value in model[0].parameters()] == [(8, 8), (8,)]


def test_afterwards_numbers_are_drawn_again():
    with NoRandomNumbers():
        pass
    assert nn.init.normal_(torch.zeros(4)).abs().sum() > 0
