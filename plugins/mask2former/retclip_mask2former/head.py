"""FC-CLIP's trainable part as one module: pixel decoder, mask queries, and the embeddings of their masks.

Pixel decoder and transformer decoder are transformers' Mask2Former parts (method.md 3: bit-identical to the original's
pixel decoder); the head that turns queries into vectors in CLIP's space is FC-CLIP's own (method.md 1.5).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoder,
    Mask2FormerTransformerModule,
)

from retclip.algorithms.precision import at_least_float32
from retclip.algorithms.text_scores import text_logits
from retclip.plugin.pointwise import with_pointwise_linear
from retclip_mask2former.deformable_attention import DeformableAttention
from retclip_mask2former.masked_attention import decoded

LEVELS = ("res2", "res3", "res4", "res5")
STRIDES = (4, 8, 16, 32)
POINTS = 4  # sampling points per head and level in the deformable attention
LARGEST_SCALE = 100.0  # FC-CLIP clamps its logit scales there
EPS = 1e-8  # FC-CLIP's, in the divisor of a pooled mask


@dataclass(frozen=True)
class HeadShape:
    """The sizes of a head.

    channels: of the feature maps res2 .. res5.
    embed: length of the text vectors that its embeddings are compared with.
    """

    channels: tuple[int, int, int, int]
    queries: int = 250
    feature: int = 256
    mask: int = 256
    hidden: int = 256
    embed: int = 768
    heads: int = 8
    encoder_layers: int = 6
    encoder_feedforward: int = 1024
    decoder_layers: int = 9
    feedforward: int = 2048
    pre_norm: bool = False

    @property
    def config(self) -> Mask2FormerConfig:
        """The configuration for transformers, which counts the prediction before the first layer as a layer."""
        return Mask2FormerConfig(
            feature_size=self.feature, mask_feature_size=self.mask, hidden_dim=self.hidden,
            encoder_feedforward_dim=self.encoder_feedforward, encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers + 1, num_attention_heads=self.heads, dim_feedforward=self.feedforward,
            num_queries=self.queries, feature_strides=list(STRIDES), common_stride=STRIDES[0], dropout=0.0,
            pre_norm=self.pre_norm,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of the L decoder layers and the one before them, or of the last alone, which is the final one.

    masks: (b, q, H/4, W/4) logits each.
    embeddings: (b, q, embed) each, not normalised.
    pixels: the mask features (b, mask, H/4, W/4).
    levels: the pixel decoder's three feature maps, coarse to fine.
    """

    masks: tuple[Tensor, ...]
    embeddings: tuple[Tensor, ...]
    pixels: Tensor
    levels: tuple[Tensor, ...]


class MaskHead(nn.Module):
    """Maps feature maps to mask logits and an embedding per mask."""

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.shape = shape
        config = shape.config
        self.pixel_decoder = Mask2FormerPixelDecoder(config, list(shape.channels))
        layers: Iterable[Any] = self.pixel_decoder.encoder.layers
        for layer in layers:
            layer.self_attn = DeformableAttention(layer.self_attn)
        self.transformer = Mask2FormerTransformerModule(in_features=shape.feature, config=config)
        self.pooled_projection = nn.Sequential(nn.LayerNorm(shape.mask), nn.Linear(shape.mask, shape.hidden))
        sizes = (shape.hidden, shape.hidden, shape.hidden, shape.embed)
        self.class_layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        self.void = nn.Parameter(torch.randn(1, shape.embed))
        nn.init.normal_(self.pixel_decoder.level_embed)  # transformers leaves it to whatever memory holds
        with_pointwise_linear(self)

    def forward(self, levels: Mapping[str, Tensor], every_layer: bool = False, exact: bool = True) -> Predictions:
        """Return the predictions.

        levels: res2 .. res5, each (b, channels, H/s, W/s), float32 or finer.
        every_layer: whether every layer's predictions are computed, as training needs; else only the last.
        exact: whether the pixel decoder stays float32 in mixed precision, as FC-CLIP's does (method.md 2.1).
        """
        maps = [at_least_float32(levels[name]) for name in LEVELS]
        with float32_products(maps[0], exact):
            output = self.pixel_decoder(maps)
        pixels, coarser = output.mask_features, tuple(output.multi_scale_features)
        layers = self._every_layer(coarser, pixels) if every_layer else [decoded(self.transformer, coarser, pixels)]
        embeddings = tuple(self.embedded(queries, masks, pixels) for queries, masks in layers)
        return Predictions(tuple(masks for _, masks in layers), embeddings, pixels, coarser)

    def _every_layer(self, levels: Sequence[Tensor], pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return queries and masks of every layer, by transformers' own decoder."""
        output = self.transformer(list(levels), pixels)
        return list(zip(output.intermediate_hidden_states, output.masks_queries_logits, strict=True))

    def embedded(self, queries: Tensor, masks: Tensor, pixels: Tensor) -> Tensor:
        """Return (b, q, embed): the queries plus the mean of the mask features inside their masks (method.md 1.5).

        queries: (q, b, hidden).
        masks: (b, q, H/4, W/4) logits.
        pixels: (b, mask, H/4, W/4) mask features.
        """
        inside = (masks.detach() > 0).to(pixels.dtype)  # (b, q, H/4, W/4)
        divisor = inside.sum(dim=(2, 3)) + EPS  # (b, q)
        pooled = torch.einsum("bchw,bqhw->bqc", pixels, inside) / divisor[..., None]  # (b, q, mask)
        x = self.pooled_projection(pooled) + queries.transpose(0, 1)  # (b, q, hidden)
        for layer in self.class_layers[:-1]:
            x = layer(x).relu()
        vectors: Tensor = self.class_layers[-1](x)
        return vectors

    @property
    def scale(self) -> Tensor:
        """The factor on the cosines, at most 100."""
        return clamped(self.logit_scale)


def class_logits(
    embeddings: Tensor, text: Tensor, row_class: Tensor, classes: int, void: Tensor, scale: Tensor
) -> Tensor:
    """Return (n, c + 1): scale * the best cosine over a class's rows, last the cosine with "no object" (method.md 1.4).

    embeddings: (n, d).
    text: (r, d) unit length, a row per name or synonym.
    row_class: (r,) class index of each text row.
    void: (1, d) the embedding of "no object".
    scale: () factor on the cosines.
    """
    rows = torch.cat((text.to(embeddings), nn.functional.normalize(void.to(embeddings), dim=-1)))  # (r + 1, d)
    class_of = torch.cat((row_class.to(embeddings.device), row_class.new_tensor([classes]).to(embeddings.device)))
    unit = nn.functional.normalize(embeddings, dim=-1)  # (n, d)
    return text_logits(unit, rows, class_of, classes + 1, 1.0) * scale


def float32_products(like: Tensor, exact: bool) -> AbstractContextManager[object]:
    """Return a context without mixed precision on a tensor's device; one that changes nothing where not `exact`."""
    return torch.autocast(like.device.type, enabled=False) if exact else nullcontext()


def clamped(log_scale: Tensor) -> Tensor:
    """Return the factor on the cosines; FC-CLIP learns its logarithm and clamps the factor at 100."""
    return log_scale.exp().clamp(max=LARGEST_SCALE)


def channels_of(levels: Mapping[str, Tensor]) -> Sequence[int]:
    """Return the channels of res2 .. res5, 0 for a missing level."""
    return [int(levels[name].shape[-3]) if name in levels else 0 for name in LEVELS]
