"""SAM's attention with relative positions, a row of cells at a time: its scores never stand in memory at once.

In a block that looks at the whole photo they are 4096 x 4096 a head: 800 MB in ViT-B, which are written, read and added
to several times. A row's scores stay in the processor's cache. Sums are in the order of segment-anything's own.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Attention, get_rel_pos
from torch import Tensor


class RowAttention(Attention):  # type: ignore[misc]  # segment-anything has no types
    """Attention of an image encoder's block, with the parameters of segment-anything's."""

    def forward(self, x: Float[Tensor, "b y x c"]) -> Float[Tensor, "b y x c"]:
        """Return what each cell reads."""
        b, height, width, _ = x.shape
        if not self.use_rel_pos:
            return cast("Tensor", super().forward(x))
        qkv = self.qkv(x).reshape(b, height * width, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.reshape(3, b * self.num_heads, height * width, -1).unbind(0)  # (n, cells, d)
        rows = q.unflatten(1, (height, width))  # (n, y, x, d)
        down = get_rel_pos(height, height, self.rel_pos_h)  # (y, y, d)
        across = get_rel_pos(width, width, self.rel_pos_w)  # (x, x, d)
        read = torch.empty_like(rows)  # made before: small results kept between large ones would hold the heap open
        for y in range(height):
            read[:, y] = self._row(rows[:, y], k, v, down[y], across)
        read = read.view(b, self.num_heads, height, width, -1).permute(0, 2, 3, 1, 4).flatten(3)
        return cast("Tensor", self.proj(read))

    def _row(self, q: Tensor, k: Tensor, v: Tensor, down: Tensor, across: Tensor) -> Float[Tensor, "n x d"]:
        """Return what a row of cells reads.

        q: (n, x, d) of the row; k, v: (n, cells, d); down: (y, d) and across: (x, x, d) relative positions.
        """
        scores = ((q * self.scale) @ k.transpose(1, 2)).unflatten(2, (len(down), len(across)))  # (n, x, y, x)
        scores = scores + (q @ down.T)[..., None]
        scores += torch.einsum("nxd,xkd->nxk", q, across)[:, :, None]
        weighted: Tensor = scores.flatten(2).softmax(dim=-1) @ v
        return weighted


def with_row_attention(encoder: ImageEncoderViT) -> ImageEncoderViT:
    """Let the blocks of an image encoder attend a row at a time, in place; parameters and names stay."""
    for module in encoder.modules():
        if type(module) is Attention:
            module.__class__ = RowAttention
    return encoder
