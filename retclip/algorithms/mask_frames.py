"""Masks upsampled to image resolution (FC-CLIP's order, method.md 1.8).

Probabilities on a grid over the photo are resized bilinearly. Logits on a network's padded input (its frame) are
upsampled to the frame's pixels, cropped to the photo, resized to the requested size, and only then put through the
sigmoid (`mask_tiles`).
"""

from __future__ import annotations

from math import isqrt

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Float, Int64
from torch import Tensor

from retclip.algorithms.mask_tiles import SIDE, mask_tiles
from retclip.types import MaskLogits, MaskMap

TOGETHER = 1 << 20  # pixels of masks that are upsampled together: they stay in a processor's cache


def pixel_probabilities(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits, indices: Int64[Tensor, "m"], size: tuple[int, int]
) -> Float[Tensor, "m H W"]:
    """Return the masks of the given indices as probabilities in [0, 1], float32.

    masks: (n, y, x) probabilities over the photo, a map of masks, or logits in a padded frame.
    indices: (m,) of the masks, in the order of the result.
    size: (H, W) of the result in pixels; it covers the photo.
    """
    if isinstance(masks, MaskMap):
        masks = (masks.owners == indices.to(masks.owners.device)[:, None, None]).float()  # (m, y, x)
        indices = torch.arange(len(indices), device=masks.device)
    if not isinstance(masks, MaskLogits) and tuple(masks.shape[1:]) == tuple(size):
        return masks[indices].float()
    device = masks.values.device if isinstance(masks, MaskLogits) else masks.device
    side = max(SIDE, isqrt(TOGETHER // max(1, len(indices))))
    probabilities = torch.empty(len(indices), *size, device=device)  # (m, H, W)
    for tile in mask_tiles(masks, size, side):
        probabilities[:, tile.rows, tile.columns] = tile.probabilities(indices)
    return probabilities


def grid_probabilities(logits: MaskLogits, size: tuple[int, int]) -> Float[Tensor, "n y x"]:
    """Return all masks as probabilities in [0, 1] on a coarse grid over the photo, without the frame's padding.

    The logits are sampled bilinearly at the grid's cell centres, not upsampled to the frame's pixels first.

    size: (y, x) of the grid.
    """
    y, x = (  # (y,), (x,): cell centres in [-1, 1] of the frame
        (torch.arange(count, device=logits.values.device) + 0.5) / count * (inner / frame) * 2 - 1
        for count, inner, frame in zip(size, logits.inner, logits.frame, strict=True)
    )
    return sampled(logits.values.float(), y, x).sigmoid()  # (n, y, x)


def sampled(values: Float[Tensor, "n y x"], y: Float[Tensor, "H"], x: Float[Tensor, "W"]) -> Float[Tensor, "n H W"]:
    """Return bilinear samples at every row of y and column of x.

    y: (H,), x: (W,); a map spans [-1, 1] from edge to edge, and its border values continue beyond.
    """
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (H, W, 2)
    points = points[None].expand(len(values), -1, -1, -1)  # (n, H, W, 2)
    return F.grid_sample(values[:, None], points, padding_mode="border", align_corners=False)[:, 0]  # (n, H, W)


def count_and_size(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits,
) -> tuple[int, tuple[int, int], torch.device]:
    """Return the number n of masks, their own size (H, W) over the photo, and their device."""
    if isinstance(masks, MaskMap):
        return masks.count, (int(masks.owners.shape[0]), int(masks.owners.shape[1])), masks.owners.device
    if isinstance(masks, MaskLogits):
        return len(masks.values), masks.inner, masks.values.device
    return len(masks), (int(masks.shape[1]), int(masks.shape[2])), masks.device
