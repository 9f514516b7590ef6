"""Multi-scale deformable attention as one weighted gather: every head's sum over its points is a bag of rows.

A point between four cells of a map reads their rows with bilinear weights, times the weight of its attention; cells
outside are zero. So a query's head sums 4 * levels * points rows, which `embedding_bag` does in one pass over rows that
lie together in memory. The reference samples each channel's plane by itself (`grid_sample`), stacks what it read, and
multiplies: the same sums (transformers' `multi_scale_deformable_attention`, Deformable DETR eq. 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Float
from torch import Tensor, nn
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
)

BEFORE, BEHIND = 1, 2  # cells of zeros around a map: a point at most one cell outside reads nothing but them


class DeformableAttention(nn.Module):
    """Deformable self-attention over the levels of a pixel decoder.

    attention: transformers' module; its layers are taken over, under their names.
    """

    def __init__(self, attention: Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention) -> None:
        super().__init__()
        self.heads, self.levels, self.points = attention.n_heads, attention.n_levels, attention.n_points
        self.sampling_offsets, self.attention_weights = attention.sampling_offsets, attention.attention_weights
        self.value_proj, self.output_proj = attention.value_proj, attention.output_proj

    def forward(
        self,
        hidden_states: Float[Tensor, "b s d"],
        position_embeddings: Float[Tensor, "b s d"],
        reference_points: Float[Tensor, "b s l 2"],
        spatial_shapes_list: Sequence[tuple[int, int]],
        **_: Any,
    ) -> tuple[Float[Tensor, "b s d"], None]:
        """Return what each cell reads, as an encoder layer of transformers asks for it; no weights are handed out.

        hidden_states: the cells of all levels, one level after the other.
        reference_points: the place of each cell on each level, x and y in [0, 1].
        spatial_shapes_list: (height, width) of each level.
        """
        b, s, d = hidden_states.shape
        asking, grid = hidden_states + position_embeddings, (self.heads, self.levels, self.points)
        with torch.autocast(asking.device.type, enabled=False):  # bfloat16 has too few bits for places
            weights = self.attention_weights(asking).view(b, s, self.heads, -1).softmax(-1).view(b, s, *grid)
            offsets = self._offsets(asking).view(b, s, 2, *grid)
        sizes = reference_points.new_tensor([(width, height) for height, width in spatial_shapes_list])  # (l, 2)
        centres = (reference_points * sizes - 0.5).transpose(2, 3)  # (b, s, 2, l)
        places = offsets + centres[:, :, :, None, :, None]
        values = self.value_proj(hidden_states).to(weights).view(b, s, self.heads, d // self.heads)
        return self.output_proj(sampled_sums(values, spatial_shapes_list, places, weights)), None

    def _offsets(self, asking: Tensor) -> Tensor:
        """Return the offsets (b, s, 2 * heads * levels * points), those of x before those of y."""
        weight, bias = self.sampling_offsets.weight, self.sampling_offsets.bias
        return F.linear(asking, torch.cat((weight[::2], weight[1::2])), torch.cat((bias[::2], bias[1::2])))


def sampled_sums(
    values: Float[Tensor, "b s h d"],
    shapes: Sequence[tuple[int, int]],
    places: Float[Tensor, "b q 2 h l p"],
    weights: Float[Tensor, "b q h l p"],
) -> Float[Tensor, "b q hd"]:
    """Return the weighted sums of the values at the places, bilinear between cells, zero outside the maps.

    values: of the cells of all levels, one level after the other, row by row.
    shapes: (height, width) of each level.
    places: x and y in cells; the centre of the first cell is 0.
    """
    b, q, _, h, *_ = places.shape
    table = _table(values, shapes)  # (b, r, h, d)
    limits = places.new_tensor([[width for _, width in shapes], [height for height, _ in shapes]])  # (2, l)
    places = places.clamp(min=-1).minimum(limits[:, None, :, None])
    low = places.floor()
    rows = _rows(low.to(torch.int32), shapes, b, table.shape[1])  # (b, q, h, l, p, 4)
    x, y = (places - low).unbind(2)  # (b, q, h, l, p)
    lower = y * weights
    across, down = torch.stack((1 - x, x), -1), torch.stack((weights - lower, lower), -1)  # (b, q, h, l, p, 2)
    shares = down[..., :, None] * across[..., None, :]  # (b, q, h, l, p, 2, 2)
    bags, parts = rows.view(b * q * h, -1), shares.view(b * q * h, -1)
    sums = F.embedding_bag(bags, table.flatten(0, 2), mode="sum", per_sample_weights=parts)  # (b * q * h, d)
    return sums.view(b, q, -1)


def _table(values: Tensor, shapes: Sequence[tuple[int, int]]) -> Tensor:
    """Return the values of all levels (b, r, h, d), with cells of zeros around each map."""
    border = (0, 0, 0, 0, BEFORE, BEHIND, BEFORE, BEHIND)
    levels = values.split([height * width for height, width in shapes], dim=1)
    maps = [level.unflatten(1, shape) for level, shape in zip(levels, shapes, strict=True)]
    return torch.cat([F.pad(each, border).flatten(1, 2) for each in maps], dim=1)


def _rows(low: Tensor, shapes: Sequence[tuple[int, int]], b: int, cells: int) -> Tensor:
    """Return the rows (b, q, h, l, p, 4) of the cells around places: upper left and right, lower left and right.

    low: (b, q, 2, h, l, p) the upper left cell, x and y, int32.
    cells: of one image's table.
    """
    heads, whole = low.shape[3], BEFORE + BEHIND
    wide = [width + whole for _, width in shapes]
    sizes = [(height + whole) * row for (height, _), row in zip(shapes, wide, strict=True)]
    first = [sum(sizes[:level]) + BEFORE * row + BEFORE for level, row in enumerate(wide)]  # the cell of x = y = 0
    row, start = low.new_tensor(wide)[:, None] * heads, low.new_tensor(first)[:, None] * heads  # (l, 1)
    images = torch.arange(b, dtype=low.dtype, device=low.device) * (cells * heads)
    head = torch.arange(heads, dtype=low.dtype, device=low.device)[:, None, None]
    x, y = low.unbind(2)  # (b, q, h, l, p)
    upper_left = y * row + x * heads + (start + head) + images[:, None, None, None, None]
    below = torch.stack((row * 0, row * 0 + heads, row, row + heads), -1)  # (l, 1, 4)
    return upper_left[..., None] + below
