"""Attention row by row has segment-anything's numbers, of the same parameters."""

import copy

import pytest
import torch
from retclip_grounded_sam.row_attention import RowAttention, with_row_attention
from segment_anything.modeling.image_encoder import Attention


@pytest.mark.parametrize("relative", [True, False])
def test_a_block_reads_what_segment_anything_s_reads(relative):
    torch.manual_seed(0)
    theirs = Attention(16, 4, use_rel_pos=relative, input_size=(6, 5)).double()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    ours = with_row_attention(copy.deepcopy(theirs))
    assert type(ours) is RowAttention
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(3, 6, 5, 16, dtype=torch.float64)
    assert torch.allclose(ours(x), theirs(x), rtol=0, atol=1e-12)


def test_the_whole_encoder_gives_the_same_embedding(sam):
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = sam.image_encoder(pixels)
        embedding = with_row_attention(copy.deepcopy(sam.image_encoder))(pixels)
        assert torch.allclose(embedding, expected, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.isfinite(with_row_attention(copy.deepcopy(sam.image_encoder))(pixels)).all()
