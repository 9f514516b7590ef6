"""Frozen weights at rest in the device's precision: autocast computes the same bits."""

import copy

import torch
from torch import nn

from retclip.plugin.resting_weights import rest_rounded
from retclip.types import Device


def model():
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), nn.Flatten(2), nn.LayerNorm(16), nn.Linear(16, 4)
    return nn.Sequential(*layers).requires_grad_(False)


def test_what_autocast_computes_stays_the_same_to_the_bit():
    whole, x = model(), torch.randn(2, 3, 6, 6)
    rounded = copy.deepcopy(whole)
    rest_rounded(rounded, Device("cpu", "bfloat16"))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rounded(x), whole(x))
    kinds = {name: parameter.dtype for name, parameter in rounded.named_parameters()}
    assert {kinds["0.weight"], kinds["3.bias"]} == {torch.bfloat16}
    assert kinds["2.weight"] == torch.float32  # norms compute in float32


def test_nothing_changes_in_float32():
    whole = model()
    before = copy.deepcopy(whole.state_dict())
    rest_rounded(whole, Device("cpu", "float32"))
    assert all(torch.equal(value, before[name]) for name, value in whole.state_dict().items())
    assert {value.dtype for value in whole.state_dict().values()} == {torch.float32}
