"""A class per pixel from soft masks and class scores (FC-CLIP's semantic output, method.md 1.8).

    S[c, p] = sum over n of score[n, c] * mask[n, p];   class of pixel p = arg-max over c of S[c, p]

where n runs over masks, c over classes and p over pixels. No threshold: a weak mask still decides a pixel that no
other mask covers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Float, Int64
from torch import Tensor

CHUNK = 1 << 24  # values of mixed classes held together: 64 MB of float32


def semantic_map(
    masks: Float[Tensor, "n y x"], scores: Float[Tensor, "n c"], size: tuple[int, int]
) -> Int64[Tensor, "H W"]:
    """Class index per pixel of `size` = (H, W), -1 where S is 0 for every class (no mask, or no evidence).

    masks: [0, 1], on any grid over the whole image. Interpolation is linear, so classes are mixed on the masks' grid, a
    few at a time, and brought to full size one by one: the peak does not grow with c.
    """
    best = torch.zeros(size, dtype=torch.float32, device=masks.device)
    winner = torch.full(size, -1, dtype=torch.int64, device=masks.device)
    masks, scores = masks.float(), scores.float()
    step = max(1, CHUNK // max(1, masks[0].numel() if len(masks) else 1))
    for start in range(0, scores.shape[1], step):
        mixed = torch.einsum("nc,nyx->cyx", scores[:, start : start + step], masks)
        for index, grid in enumerate(mixed, start):
            full = grid if grid.shape == best.shape else _resized(grid, size)
            higher = full > best
            best = torch.where(higher, full, best)
            winner[higher] = index
    return winner


def _resized(grid: Float[Tensor, "y x"], size: tuple[int, int]) -> Float[Tensor, "H W"]:
    return F.interpolate(grid[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
