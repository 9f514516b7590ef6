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

from retclip.algorithms.mask_frames import count_and_size, pixel_probabilities
from retclip.types import MaskLogits, MaskMap

CHUNK = 1 << 24  # values of S held at once: 64 MB of float32
LOGITS_CHUNK = 1 << 26  # the same where masks are logits, 256 MB: each chunk of classes upsamples all masks again


def semantic_map(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits, scores: Float[Tensor, "n c"], size: tuple[int, int]
) -> Int64[Tensor, "H W"]:
    """Return the class index per pixel, -1 where S is 0 for every class (no mask, or no evidence).

    Classes are computed a few at a time, so the memory peak does not grow with c: probabilities on their own grid,
    because interpolation is linear; logits at image resolution.

    masks: (n, y, x) in [0, 1], on any grid over the whole image, a map of masks, or logits in a padded frame.
    scores: (n, c) in [0, 1].
    size: (H, W) of the result in pixels.
    """
    best = torch.zeros(size, dtype=torch.float32, device=scores.device)  # (H, W)
    winner = torch.full(size, -1, dtype=torch.int64, device=scores.device)  # (H, W)
    grid_size = size if isinstance(masks, MaskLogits) else count_and_size(masks)[1]
    limit = LOGITS_CHUNK if isinstance(masks, MaskLogits) else CHUNK
    step = max(1, limit // max(1, grid_size[0] * grid_size[1]))
    scored = (scores > 0).any(dim=0).nonzero()[:, 0]  # (s,): a class without a score is above nothing
    for classes in scored.split(step):
        for index, grid in zip(classes, semantic_scores(masks, scores[:, classes], grid_size), strict=True):
            class_scores = grid if grid.shape == best.shape else _resized(grid, size)  # (H, W)
            higher = class_scores > best  # (H, W)
            best = torch.where(higher, class_scores, best)
            winner[higher] = index
    return winner


def semantic_scores(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits, scores: Float[Tensor, "n c"], size: tuple[int, int]
) -> Float[Tensor, "c H W"]:
    """Return S of the module's formula at `size` = (H, W), float32, with at most CHUNK mask pixels at once."""
    if isinstance(masks, MaskMap) and tuple(masks.owners.shape) == tuple(size):
        of_owner = torch.cat([scores.float().T, scores.new_zeros(scores.shape[1], 1, dtype=torch.float32)], dim=1)
        return of_owner[:, masks.owners]  # (c, n + 1) -> (c, H, W): at a cell one mask speaks, or none
    total = torch.zeros(scores.shape[1], *size, dtype=torch.float32, device=scores.device)  # (c, H, W)
    step = max(1, CHUNK // max(1, size[0] * size[1]))
    for start in range(0, len(scores), step):
        chunk = torch.arange(start, min(start + step, len(scores)), device=scores.device)  # (b,)
        probabilities = pixel_probabilities(masks, chunk, size)  # (b, H, W)
        total += torch.einsum("nc,nyx->cyx", scores[chunk].float(), probabilities)  # (b, c) (b, H, W) -> (c, H, W)
    return total


def _resized(grid: Float[Tensor, "y x"], size: tuple[int, int]) -> Float[Tensor, "H W"]:
    return F.interpolate(grid[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
