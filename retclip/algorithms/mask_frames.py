"""Masks from the grid or frame they were made on to pixels (FC-CLIP's order, method.md 1.8).

Probabilities on a grid over the photo are resized bilinearly. Logits on a network's padded frame are brought to the
frame's own pixels, cropped to the photo, resized to the size asked for, and only then put through the sigmoid.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Float, Int64
from torch import Tensor

from retclip.types import MaskLogits


def painted(
    masks: Float[Tensor, "n y x"] | MaskLogits, chosen: Int64[Tensor, "m"], size: tuple[int, int]
) -> Float[Tensor, "m H W"]:
    """The chosen masks as probabilities in [0, 1] float32 on `size` = (H, W) pixels of the photo."""
    if not isinstance(masks, MaskLogits):
        return _resized(masks[chosen].float(), size)
    height, width = masks.inner
    framed = _resized(masks.values[chosen].float(), masks.frame)
    return _resized(framed[:, :height, :width], size).sigmoid()


def on_photo(logits: MaskLogits, size: tuple[int, int]) -> Float[Tensor, "n y x"]:
    """All masks as probabilities on a coarse grid over the photo alone, padding cut off; sampled bilinearly, without
    the way through the frame's pixels."""
    y, x = (
        (torch.arange(count, device=logits.values.device) + 0.5) / count * (inner / full) * 2 - 1
        for count, inner, full in zip(size, logits.inner, logits.frame, strict=True)
    )
    return sampled(logits.values.float(), y, x).sigmoid()


def sampled(values: Float[Tensor, "n y x"], y: Float[Tensor, "H"], x: Float[Tensor, "W"]) -> Float[Tensor, "n H W"]:
    """Bilinear samples at rows y and columns x; a map spans [-1, 1] edge to edge, and its border goes on beyond."""
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (H, W, 2)
    places = places[None].expand(len(values), -1, -1, -1)
    return F.grid_sample(values[:, None], places, padding_mode="border", align_corners=False)[:, 0]


def count_and_size(masks: Float[Tensor, "n y x"] | MaskLogits) -> tuple[int, tuple[int, int], torch.device]:
    """How many there are, the natural (H, W) to paint them at, and where they lie."""
    if isinstance(masks, MaskLogits):
        return len(masks.values), masks.inner, masks.values.device
    return len(masks), (int(masks.shape[1]), int(masks.shape[2])), masks.device


def _resized(masks: Float[Tensor, "n y x"], size: tuple[int, int]) -> Float[Tensor, "n H W"]:
    if tuple(masks.shape[1:]) == tuple(size) or not len(masks):
        return masks.new_zeros(0, *size) if not len(masks) else masks
    return F.interpolate(masks[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
