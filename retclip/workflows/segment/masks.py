"""Masks at image resolution: from a proposal's soft, coarse grid to box, area and run lengths."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.types import MaskProposals


def binary(proposals: MaskProposals, n: int, threshold: float = 0.5) -> NDArray[np.bool_]:
    """Return the pixels (H, W) bool of one mask: those with a probability above `threshold`."""
    full = pixel_probabilities(proposals.finest, torch.tensor([n]), proposals.image_size)[0]
    pixels: NDArray[np.bool_] = (full > threshold).cpu().numpy()
    return pixels


def box(pixels: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return (x, y, width, height) of the pixels that are set; (0, 0, 0, 0) where none is."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def boxes(proposals: MaskProposals) -> NDArray[np.int64]:
    """Return (n, 4) x0 y0 x1 y1 of each proposal in image pixels, read off its own grid, x1 y1 exclusive."""
    count, rows, columns = proposals.masks.shape
    height, width = proposals.image_size
    result = np.zeros((count, 4), dtype=np.int64)
    set_rows = (proposals.masks > 0.5).any(dim=2).cpu().numpy()
    set_columns = (proposals.masks > 0.5).any(dim=1).cpu().numpy()
    for n in range(count):
        y, x = np.flatnonzero(set_rows[n]), np.flatnonzero(set_columns[n])
        if len(y) and len(x):
            corners = (x[0] / columns * width, y[0] / rows * height, (x[-1] + 1) / columns * width)
            result[n] = [int(corners[0]), int(corners[1]), -(-corners[2] // 1), -(-(y[-1] + 1) / rows * height // 1)]
    return result


def best_first(proposals: MaskProposals, limit: int) -> MaskProposals:
    """Return at most `limit` proposals of the highest objectness, highest first, equal ones in their order."""
    if len(proposals) <= limit:
        return proposals
    return proposals.picked(torch.argsort(proposals.objectness, descending=True, stable=True)[:limit])
