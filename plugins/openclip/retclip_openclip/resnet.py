"""CLIP's ModifiedResNet as a dense backbone: its attention pool, limited to a mask (method.md 1.3).

FC-CLIP's rule: one query for all masks, the mean of all cells, padding included; keys and values are the cells of the
mask. Ours: attention pooling over the mask's cells alone, weighted by the share that the mask covers. The query is the
weighted mean, which is also the first key, as in CLIP, and a cell's attention is multiplied by its share (its logarithm
is added to the logit). A mask over the whole image gives exactly CLIP's own vector.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from retclip.algorithms.mask_pooling import mask_pooling


class ResNetTower:
    """`visual` is OpenCLIP's ModifiedResNet."""

    multiple = 32
    pads = True

    def __init__(self, visual: Any) -> None:
        self.visual, self.pool = visual, visual.attnpool

    def dense(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last map (b, d, H/32, W/32) and res2 .. res5 at strides 4, 8, 16, 32.

        x: (b, 3, H, W) normalised pixels, sides multiples of 32.
        """
        levels: dict[str, Tensor] = {}
        x = self.visual.stem(x)
        for number in range(1, 5):
            levels[f"res{number + 1}"] = x = getattr(self.visual, f"layer{number}")(x)
        return x, levels

    def pooled(self, grid: Tensor, weights: Tensor, fcclip: bool) -> Tensor:
        """Return (n, d); a mask without a cell gives the bias of the last projection.

        grid: (channels, h, w).
        weights: (n, h, w) in [0, 1].
        """
        grid = grid.float()
        cells = grid.flatten(1).T  # (hw, channels)
        class_position, positions = self._positions(grid.shape[1], grid.shape[2])
        tokens = cells + positions  # (hw, channels)
        if fcclip:
            query = (cells.mean(0) + class_position)[None]  # (1, channels), one for all masks
            return self._attended(query, tokens, weights.flatten(1))
        means, _ = mask_pooling(grid, weights)  # (n, channels)
        query = means + class_position  # (n, channels), also the first key of its mask
        return self._attended(query, tokens, weights.flatten(1), class_token=query)

    def _positions(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Return the position embeddings of the class token (channels,) and of the cells (hw, channels).

        Those of the cells are resized bilinearly from the native grid.
        """
        table = self.pool.positional_embedding.float()
        side = round((len(table) - 1) ** 0.5)
        native = table[1:].T.reshape(1, -1, side, side)
        grid = F.interpolate(native, size=(rows, columns), mode="bilinear", align_corners=False)
        return table[0], grid[0].flatten(1).T

    def _attended(self, query: Tensor, cells: Tensor, shares: Tensor, class_token: Tensor | None = None) -> Tensor:
        """Return (n, d), the projected attention of each mask's query over the cells, weighted by their shares.

        query: (n, channels), or (1, channels) for all masks.
        cells: (hw, channels) keys and values.
        shares: (n, hw) in [0, 1], how much of a cell a mask covers.
        class_token: (n, channels), a further key and value of each mask.
        """
        pool = self.pool
        q, k, v = self._split(pool.q_proj, query), self._split(pool.k_proj, cells), self._split(pool.v_proj, cells)
        q = q * q.shape[-1] ** -0.5
        logits = torch.einsum("nad,cad->nac", q, k) + shares.float().log()[:, None]  # (n, heads, hw)
        if class_token is None:
            attention = torch.nan_to_num(logits.softmax(-1))  # no cell allowed: nothing attended
            attended = torch.einsum("nac,cad->nad", attention, v)
        else:
            own_logit = (q * self._split(pool.k_proj, class_token)).sum(-1, keepdim=True)  # (n, heads, 1)
            attention = torch.cat((own_logit, logits), dim=-1).softmax(-1)
            attended = attention[..., :1] * self._split(pool.v_proj, class_token)
            attended = attended + torch.einsum("nac,cad->nad", attention[..., 1:], v)
        projected: Tensor = pool.c_proj(attended.flatten(1))
        return projected

    def _split(self, project: Any, tokens: Tensor) -> Tensor:
        """Return (m, heads, d_head) float32."""
        heads: Tensor = project(tokens).float().unflatten(-1, (self.pool.num_heads, -1))
        return heads
