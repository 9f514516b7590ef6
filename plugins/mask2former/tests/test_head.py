"""The parts that are ours in the head: pooled masks and class logits, by hand."""

import pytest
import torch
from retclip_mask2former.head import channels_of, class_logits

ONE = torch.tensor(1.0)


def test_a_mask_s_vector_comes_from_its_pixels_and_its_query(head):
    pixels = torch.randn(1, 32, 2, 3)
    masks = torch.tensor([[[[1.0, -1.0, 0.0], [2.0, -3.0, -1.0]], [[-1.0] * 3] * 2]])  # logits; 0 is outside
    queries = torch.randn(2, 1, 32)
    found = head.embedded(queries, masks, pixels)
    means = (pixels[0, :, 0, 0] + pixels[0, :, 1, 0]) / 2, torch.zeros(32)  # an empty mask pools to zero
    for n, mean in enumerate(means):
        x = head.pooled_projection(mean) + queries[n, 0]
        for layer in head.class_layers[:-1]:
            x = torch.relu(layer(x))
        assert torch.allclose(found[0, n], head.class_layers[-1](x), atol=1e-5)


def test_a_class_is_its_best_row_and_void_comes_last():
    text = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    embeddings = torch.tensor([[0.0, 5.0]])  # any length: its cosines are 0, 1 and .8
    found = class_logits(embeddings, text, torch.tensor([0, 1, 1]), 2, torch.tensor([[3.0, 4.0]]), torch.tensor(10.0))
    assert found.tolist() == [pytest.approx([0.0, 10.0, 8.0])]
    swapped = class_logits(embeddings, text, torch.tensor([0, 1, 0]), 2, torch.tensor([[0.0, -2.0]]), ONE)
    assert swapped.tolist() == [pytest.approx([0.8, 1.0, -1.0])]


def test_the_scale_is_clamped_at_a_hundred(head):
    assert float(head.scale.detach()) == pytest.approx(1 / 0.07, rel=1e-5)
    head.logit_scale.data.fill_(7.0)  # exp(7) = 1097
    assert float(head.scale.detach()) == 100.0


def test_every_layer_is_predicted_when_it_is_asked_for(head, features):
    levels = {name: level[None] for name, level in features().levels.items()}
    with torch.inference_mode():
        last, every = head(levels), head(levels, every_layer=True)
    for predictions, count in ((last, 1), (every, 4)):  # before the first of three layers, and after each
        assert len(predictions.masks) == len(predictions.embeddings) == count
    assert torch.allclose(last.embeddings[-1], every.embeddings[-1], atol=1e-6)
    assert every.masks[-1].shape == (1, 6, 16, 24)
    assert every.embeddings[-1].shape == (1, 6, 12)


def test_levels_that_are_not_there_have_no_channels(features):
    levels = dict(features().levels)
    del levels["res3"]
    assert channels_of(levels) == [8, 0, 16, 24]
