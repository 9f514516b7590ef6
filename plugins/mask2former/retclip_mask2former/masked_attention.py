"""The last prediction of Mask2Former's transformer decoder, without the masks that only a loss reads.

Each layer attends inside the mask that the layer before it predicts. Of these masks the attention reads a smaller grid,
and to make a map smaller is linear: so the mask features are made smaller once a level, and every product is on the
grid that is read. The full masks are computed for the last layer alone. With `every_layer` of the head, which training
asks for, transformers' own decoder computes them all; both have the same numbers up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Bool, Float
from torch import Tensor
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerAttention,
    Mask2FormerMaskedAttentionDecoderLayer,
    Mask2FormerTransformerModule,
)


@dataclass(frozen=True, eq=False)
class Level:
    """One level as the decoder reads it.

    keys: (b, cells, d) with positions; values: (b, cells, d) without.
    pixels: (b, mask, cells) the mask features on the level's grid.
    """

    keys: Tensor
    values: Tensor
    pixels: Tensor


def decoded(
    module: Mask2FormerTransformerModule, levels: Sequence[Tensor], pixels: Float[Tensor, "b m y x"]
) -> tuple[Float[Tensor, "q b d"], Float[Tensor, "b q y x"]]:
    """Return the queries after the last layer, and the logits of their masks.

    levels: the pixel decoder's three maps (b, d, y, x), coarse to fine.
    pixels: its mask features.
    """
    read = [_level(module, number, level, pixels) for number, level in enumerate(levels)]
    decoder, b = module.decoder, len(pixels)
    embed, norm = decoder.mask_predictor.mask_embedder, decoder.layernorm
    queries, places = (table.weight.expand(b, -1, -1) for table in (module.queries_features, module.queries_embedder))
    layers = cast("Sequence[Mask2FormerMaskedAttentionDecoderLayer]", decoder.layers)
    for number, layer in enumerate(layers):
        level = read[number % len(read)]
        inside = embed(norm(queries)) @ level.pixels >= 0  # (b, q, cells): where the probability reaches a half
        queries = _layer(layer, queries, places, level, inside | ~inside.any(-1, keepdim=True))
    queries = norm(queries)
    masks = embed(queries) @ pixels.flatten(2)  # (b, q, yx)
    return queries.transpose(0, 1), masks.unflatten(2, pixels.shape[2:])


def _level(module: Mask2FormerTransformerModule, number: int, level: Tensor, pixels: Tensor) -> Level:
    positions = module.position_embedder(level.shape, level.device, level.dtype).flatten(2)
    values = module.input_projections[number](level).flatten(2) + module.level_embed.weight[number][:, None]
    size = tuple(level.shape[2:])
    smaller = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False).flatten(2)
    return Level((values + positions).transpose(1, 2), values.transpose(1, 2), smaller)


def _layer(
    layer: Mask2FormerMaskedAttentionDecoderLayer,
    queries: Float[Tensor, "b q d"],
    places: Float[Tensor, "b q d"],
    level: Level,
    inside: Bool[Tensor, "b q cells"],
) -> Float[Tensor, "b q d"]:
    """Return the queries after a layer; its norms come before its three parts, or behind the sums."""

    def feedforward(x: Tensor) -> Tensor:
        hidden: Tensor = layer.fc2(layer.activation_fn(layer.fc1(x)))
        return hidden

    parts = (
        (layer.cross_attn_layer_norm, lambda x: _cross_attention(layer, x + places, level, inside)),
        (layer.self_attn_layer_norm, lambda x: _self_attention(layer.self_attn, x, places)),
        (layer.final_layer_norm, feedforward),
    )
    for norm, part in parts:
        queries = queries + part(norm(queries)) if layer.pre_norm else norm(queries + part(queries))
    return queries


def _cross_attention(
    layer: Mask2FormerMaskedAttentionDecoderLayer, asking: Tensor, level: Level, inside: Tensor
) -> Tensor:
    attention = layer.cross_attn
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    q, k, v = (
        F.linear(x, weight, bias)
        for x, weight, bias in zip((asking, level.keys, level.values), weights, biases, strict=True)
    )
    answer: Tensor = attention.out_proj(_attended(q, k, v, attention.num_heads, inside))
    return answer


def _self_attention(attention: Mask2FormerAttention, x: Tensor, places: Tensor) -> Tensor:
    asking = x + places
    q, k, v = attention.q_proj(asking), attention.k_proj(asking), attention.v_proj(x)
    answer: Tensor = attention.out_proj(_attended(q, k, v, attention.num_heads, None))
    return answer


def _attended(q: Tensor, k: Tensor, v: Tensor, heads: int, inside: Tensor | None) -> Tensor:
    """Return (b, q, d): attention of all heads; inside: (b, q, cells) what a query may read, None = everything."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))  # (b, h, n, d / h)
    mask = None if inside is None else inside[:, None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
