"""A new head's first numbers, as Mask2Former begins: transformers sets them only inside its own model classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from retclip_mask2former.head import POINTS, MaskHead


def initialise(head: MaskHead) -> MaskHead:
    """Set every tensor, from torch's global random state; the same state gives the same head.

    Xavier for what multiplies in the transformers and the input projections, Kaiming (a = 1, that is Xavier's fan-in
    form) for the other convolutions, N(0, 1) for queries and level vectors; deformable attention looks at first in a
    ring of directions, one per head, further out with each point, and weighs all points alike.
    """
    for module in head.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm | nn.GroupNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
    for name, module in head.pixel_decoder.named_modules():
        if isinstance(module, nn.Conv2d) and not name.startswith("input_projections"):
            nn.init.kaiming_uniform_(module.weight, a=1)
        if name.endswith("self_attn") and hasattr(module, "sampling_offsets"):
            _look_around(module, head.shape.heads)
    for name, parameter in head.named_parameters():
        if name.endswith("in_proj_weight"):
            nn.init.xavier_uniform_(parameter)
        elif name.endswith("in_proj_bias"):
            nn.init.zeros_(parameter)
    nn.init.normal_(head.pixel_decoder.level_embed)
    nn.init.normal_(head.void)
    with torch.no_grad():
        head.logit_scale.fill_(math.log(1 / 0.07))
    return head


def _look_around(attention: nn.Module, heads: int) -> None:
    offsets, weights = attention.get_submodule("sampling_offsets"), attention.get_submodule("attention_weights")
    for layer in (offsets, weights):
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    bias: Tensor = offsets.get_parameter("bias")
    levels = bias.numel() // (heads * POINTS * 2)
    angles = torch.arange(heads) * (2 * math.pi / heads)
    ring = torch.stack((angles.cos(), angles.sin()), dim=-1)
    ring = ring / ring.abs().amax(-1, keepdim=True)  # (heads, 2) on the edge of a square
    steps = torch.arange(1, POINTS + 1)[:, None]
    with torch.no_grad():
        bias.copy_((ring[:, None, None] * steps).expand(heads, levels, POINTS, 2).reshape(-1))
