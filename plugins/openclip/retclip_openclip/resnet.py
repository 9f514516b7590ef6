"""CLIP's ModifiedResNet as a dense backbone: its attention pool, limited to a mask (method.md 1.3).

FC-CLIP's rule: one query for all masks, the mean of every cell, padding included; keys and values are the cells that
the mask allows. Ours: the attention pool as if the image were only the mask's cells, in the share that it covers. The
query is their weighted mean, which is also the first key, as in CLIP, and a cell's attention is multiplied by its share
(its logarithm is added to the logit). A mask over the whole image gives exactly CLIP's own vector.
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
        """(b, 3, H, W) to the last map (b, d, H/32, W/32) and res2 .. res5 at strides 4, 8, 16, 32."""
        levels: dict[str, Tensor] = {}
        x = self.visual.stem(x)
        for number in range(1, 5):
            levels[f"res{number + 1}"] = x = getattr(self.visual, f"layer{number}")(x)
        return x, levels

    def pooled(self, grid: Tensor, weights: Tensor, fcclip: bool) -> Tensor:
        """(n, d) of weights (n, h, w) in [0, 1]. A mask without a cell gives the bias of the last projection."""
        grid = grid.float()
        cells = grid.flatten(1).T  # (hw, channels)
        first, places = self._positions(grid.shape[1], grid.shape[2])
        keyed = cells + places
        if fcclip:
            query = (cells.mean(0) + first)[None]  # one for all masks
            return self._attended(query, keyed, weights.flatten(1))
        means, _ = mask_pooling(grid, weights)
        query = means + first  # (n, channels), also the first key of its own mask
        return self._attended(query, keyed, weights.flatten(1), own=query)

    def _positions(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """The first token's position and those of the cells (hw, channels), resized bilinearly from the native grid."""
        table = self.pool.positional_embedding.float()
        side = round((len(table) - 1) ** 0.5)
        native = table[1:].T.reshape(1, -1, side, side)
        grid = F.interpolate(native, size=(rows, columns), mode="bilinear", align_corners=False)
        return table[0], grid[0].flatten(1).T

    def _attended(self, query: Tensor, cells: Tensor, shares: Tensor, own: Tensor | None = None) -> Tensor:
        """Attention of each mask's query (n or 1, channels) over the cells (hw, channels), weighted by their shares
        (n, hw), and over its own token where there is one."""
        pool = self.pool
        q, k, v = self._split(pool.q_proj, query), self._split(pool.k_proj, cells), self._split(pool.v_proj, cells)
        q = q * q.shape[-1] ** -0.5
        logits = torch.einsum("nad,cad->nac", q, k) + shares.float().log()[:, None]  # (n, heads, hw)
        if own is None:
            attention = torch.nan_to_num(logits.softmax(-1))  # no cell allowed: nothing attended
            found = torch.einsum("nac,cad->nad", attention, v)
        else:
            own_logit = (q * self._split(pool.k_proj, own)).sum(-1, keepdim=True)  # (n, heads, 1)
            attention = torch.cat((own_logit, logits), dim=-1).softmax(-1)
            found = attention[..., :1] * self._split(pool.v_proj, own)
            found = found + torch.einsum("nac,cad->nad", attention[..., 1:], v)
        projected: Tensor = pool.c_proj(found.flatten(1))
        return projected

    def _split(self, project: Any, tokens: Tensor) -> Tensor:
        """(m, heads, d_head) float32."""
        found: Tensor = project(tokens).float().unflatten(-1, (self.pool.num_heads, -1))
        return found
