"""The last layer's prediction alone is what transformers' decoder predicts there."""

from dataclasses import replace

import pytest
import torch
from retclip_mask2former.head import LEVELS, HeadShape, MaskHead

SHAPE = HeadShape(
    channels=(8, 8, 16, 24), queries=6, feature=32, mask=32, hidden=64, embed=12, encoder_layers=1,
    encoder_feedforward=16, decoder_layers=5, feedforward=16,
)  # fmt: skip


def both(head, levels):
    with torch.inference_mode():
        return head(levels), head(levels, every_layer=True)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_the_last_layer_is_that_of_transformers_decoder(pre_norm):
    torch.manual_seed(4)
    head = MaskHead(replace(SHAPE, pre_norm=pre_norm)).double().eval()  # levels come round
    sizes = [(32, 48), (16, 24), (8, 12), (4, 6)]
    levels = {
        name: torch.randn(2, channels, *size, dtype=torch.float64)
        for name, channels, size in zip(LEVELS, SHAPE.channels, sizes, strict=True)
    }
    last, every = both(head, levels)
    assert len(last.masks) == len(last.embeddings) == 1
    assert torch.allclose(last.masks[0], every.masks[-1], rtol=0, atol=1e-10)
    assert torch.allclose(last.embeddings[0], every.embeddings[-1], rtol=0, atol=1e-10)


def test_a_query_whose_mask_is_empty_reads_everything(head, features):
    levels = {name: level[None].double() for name, level in features().levels.items()}
    head = head.double()
    last_layer = head.transformer.decoder.mask_predictor.mask_embedder.get_submodule("2.0")
    torch.nn.init.zeros_(last_layer.weight)
    head.pixel_decoder.mask_projection.bias.data.fill_(1.0)
    torch.nn.init.zeros_(head.pixel_decoder.mask_projection.weight)
    for bias, inside in ((-1.0, False), (1.0, True)):
        last_layer.bias.data.fill_(bias)
        last, every = both(head, levels)
        assert bool((last.masks[0] > 0).all()) is inside
        assert torch.allclose(last.embeddings[0], every.embeddings[-1], rtol=0, atol=1e-10)
