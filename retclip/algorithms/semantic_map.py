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

from retclip.algorithms.mask_frames import painted
from retclip.types import MaskLogits

CHUNK = 1 << 24  # values of mixed classes held together: 64 MB of float32
OF_LOGITS = 1 << 26  # the same where masks are logits, 256 MB: each few classes more paint all masks again


def semantic_map(
    masks: Float[Tensor, "n y x"] | MaskLogits, scores: Float[Tensor, "n c"], size: tuple[int, int]
) -> Int64[Tensor, "H W"]:
    """Class index per pixel of `size` = (H, W), -1 where S is 0 for every class (no mask, or no evidence).

    masks: [0, 1], on any grid over the whole image, or logits on a frame. Classes are mixed a few at a time, so the
    peak does not grow with c: probabilities on their own grid, because interpolation is linear; logits pixel by pixel.
    """
    best = torch.zeros(size, dtype=torch.float32, device=scores.device)
    winner = torch.full(size, -1, dtype=torch.int64, device=scores.device)
    cells = size if isinstance(masks, MaskLogits) else (int(masks.shape[1]), int(masks.shape[2]))
    most = OF_LOGITS if isinstance(masks, MaskLogits) else CHUNK
    step = max(1, most // max(1, cells[0] * cells[1]))
    for start in range(0, scores.shape[1], step):
        for index, grid in enumerate(semantic_scores(masks, scores[:, start : start + step], cells), start):
            full = grid if grid.shape == best.shape else _resized(grid, size)
            higher = full > best
            best = torch.where(higher, full, best)
            winner[higher] = index
    return winner


def semantic_scores(
    masks: Float[Tensor, "n y x"] | MaskLogits, scores: Float[Tensor, "n c"], size: tuple[int, int]
) -> Float[Tensor, "c H W"]:
    """S of the module's formula on `size`, float32, never more than CHUNK mask pixels at once."""
    mixed = torch.zeros(scores.shape[1], *size, dtype=torch.float32, device=scores.device)
    step = max(1, CHUNK // max(1, size[0] * size[1]))
    for start in range(0, len(scores), step):
        chosen = torch.arange(start, min(start + step, len(scores)), device=scores.device)
        mixed += torch.einsum("nc,nyx->cyx", scores[chosen].float(), painted(masks, chosen, size))
    return mixed


def _resized(grid: Float[Tensor, "y x"], size: tuple[int, int]) -> Float[Tensor, "H W"]:
    return F.interpolate(grid[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
