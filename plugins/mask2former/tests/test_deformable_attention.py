"""Deformable attention as a weighted gather: by hand, and beside transformers' own."""

import pytest
import torch
from retclip_mask2former.deformable_attention import DeformableAttention, sampled_sums
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
    multi_scale_deformable_attention,
)

SHAPES = [(2, 3), (4, 5), (7, 9)]
CELLS = sum(height * width for height, width in SHAPES)


def test_a_point_reads_the_four_cells_around_it_by_hand():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)  # one map of 2 x 2, one head, one number
    places = {
        (0.0, 0.0): 1.0,  # the centre of the first cell
        (0.5, 0.5): 2.5,  # between all four
        (0.25, 1.0): 3.25,
        (-0.5, 0.0): 0.5,  # half of it outside, where everything is zero
        (1.5, 1.5): 1.0,
        (-1.0, 0.0): 0.0,
        (7.0, -3.0): 0.0,
    }
    points = torch.tensor(list(places)).view(1, len(places), 2, 1, 1, 1)
    sums = sampled_sums(values, [(2, 2)], points, torch.ones(1, len(places), 1, 1, 1))
    assert sums[0, :, 0].tolist() == pytest.approx(list(places.values()))


def test_points_count_by_their_weights():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
    points = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).view(1, 1, 2, 1, 1, 2)  # x, then y, of the points (0, 0) and (1, 1)
    sums = sampled_sums(values, [(2, 2)], points, torch.tensor([0.25, 0.75]).view(1, 1, 1, 1, 2))
    assert sums.item() == pytest.approx(0.25 * 1 + 0.75 * 4)


def test_sums_are_those_of_the_reference():
    torch.manual_seed(0)
    values = torch.randn(2, CELLS, 4, 6, dtype=torch.float64)
    places = torch.rand(2, 11, 4, 3, 5, 2, dtype=torch.float64) * 1.6 - 0.3  # in [0, 1] of a map, and outside
    weights = torch.rand(2, 11, 4, 3, 5, dtype=torch.float64)
    sizes = torch.tensor([[width, height] for height, width in SHAPES])[:, None]
    in_cells = (places * sizes - 0.5).movedim(-1, 2)
    reference = multi_scale_deformable_attention(values, SHAPES, places, weights)
    assert torch.allclose(sampled_sums(values, SHAPES, in_cells, weights), reference, rtol=0, atol=1e-12)


def test_the_layer_answers_and_learns_as_transformers_layer_does():
    torch.manual_seed(1)
    theirs = Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention(32, 4, 3, 4).double()
    torch.nn.init.normal_(theirs.sampling_offsets.bias, std=2.0)
    ours = DeformableAttention(theirs)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    inputs = {
        "hidden_states": torch.randn(2, CELLS, 32, dtype=torch.float64),
        "position_embeddings": torch.randn(2, CELLS, 32, dtype=torch.float64),
        "reference_points": torch.rand(2, CELLS, 3, 2, dtype=torch.float64),
        "spatial_shapes_list": SHAPES,
    }
    answers, gradients = [], []
    for layer, others in ((theirs, {"encoder_hidden_states": inputs["hidden_states"]}), (ours, {})):
        answers.append(layer(**inputs, **others)[0])
        gradients.append(torch.autograd.grad(answers[-1].square().sum(), list(theirs.parameters())))
    assert torch.allclose(*answers, rtol=0, atol=1e-12)
    for reference, gradient in zip(*gradients, strict=True):
        assert torch.allclose(gradient, reference, rtol=1e-9, atol=1e-9)
