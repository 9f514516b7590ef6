"""Linear layers as convolutions: the same products, of the same parameters."""

import pytest
import torch
from torch import nn

from retclip.plugin.pointwise import PointwiseLinear, with_pointwise_linear


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 4, 5), (0, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_products_and_gradients_are_those_of_the_linear_layer(shape, bias):
    torch.manual_seed(0)
    layer, x = nn.Linear(5, 7, bias=bias), torch.randn(shape)
    reference = layer(x)
    expected = torch.autograd.grad(reference.square().sum(), list(layer.parameters()))
    pointwise = with_pointwise_linear(nn.Sequential(layer))
    assert type(layer) is PointwiseLinear
    product = pointwise(x)
    assert product.shape == reference.shape
    assert torch.allclose(product, reference, atol=1e-6)
    gradients = torch.autograd.grad(product.square().sum(), list(layer.parameters()))
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(gradients, expected, strict=True))


def test_rows_that_do_not_lie_together_are_multiplied_too():
    layer = nn.Linear(4, 3)
    x = torch.randn(4, 6, 2).transpose(0, 2)
    expected = layer(x)
    assert torch.allclose(with_pointwise_linear(layer)(x), expected, atol=1e-6)


def test_names_and_numbers_of_parameters_stay():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 2)), nn.MultiheadAttention(4, 2))
    before = {name: id(parameter) for name, parameter in model.named_parameters()}
    with_pointwise_linear(model)
    assert {name: id(parameter) for name, parameter in model.named_parameters()} == before
    layers = model[0], model[1][0], model[2].out_proj
    assert [type(layer) is PointwiseLinear for layer in layers] == [True, True, False]


def test_other_precisions_stay_with_the_linear_layer():
    layer = with_pointwise_linear(nn.Linear(4, 3)).double()
    x = torch.randn(2, 4, dtype=torch.float64)
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.float()(x.float()).dtype == torch.bfloat16
