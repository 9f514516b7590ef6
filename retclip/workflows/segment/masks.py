"""Masks at image resolution: from a proposal's soft, coarse grid to box, area and run lengths."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.algorithms.mask_maps import owner_map
from retclip.algorithms.pixel_counts import box
from retclip.data import rle
from retclip.types import MaskMap, MaskProposals


def binary(proposals: MaskProposals, n: int, threshold: float = 0.5) -> NDArray[np.bool_]:
    """Return the pixels (H, W) bool of one mask: those with a probability above `threshold`."""
    full = pixel_probabilities(proposals.finest, torch.tensor([n]), proposals.image_size)[0]
    pixels: NDArray[np.bool_] = (full > threshold).cpu().numpy()
    return pixels


def painted(proposals: MaskProposals) -> Iterator[rle.MeasuredMask]:
    """Yield every mask as `binary` paints it."""
    if isinstance(proposals.finest, MaskMap):
        yield from rle.encode_map(owners_of_pixels(proposals.finest, proposals.image_size), len(proposals))
        return
    for n in range(len(proposals)):
        pixels = binary(proposals, n)
        yield rle.MeasuredMask(int(pixels.sum()), box(pixels), rle.encode(pixels)["counts"].encode())


def owners_of_pixels(masks: MaskMap, size: tuple[int, int]) -> NDArray[np.int64]:
    """Return (H, W) the mask of each pixel as `binary` paints them, -1 = none."""
    owners: NDArray[np.int64] = owner_map(masks, size).cpu().numpy()
    return owners


def boxes(proposals: MaskProposals) -> NDArray[np.int64]:
    """Return (n, 4) x0 y0 x1 y1 of each proposal in image pixels, read off its own grid, x1 y1 exclusive."""
    (y0, y1), (x0, x1) = (_ends(lines) for lines in _lines(proposals.flat))  # (n,) each
    (rows, columns), (height, width) = proposals.grid, proposals.image_size
    starts = np.floor(x0 / columns * width), np.floor(y0 / rows * height)
    ends = np.ceil(x1 / columns * width), np.ceil(y1 / rows * height)
    return np.stack([*starts, *ends], axis=1).astype(np.int64)


def _lines(masks: Tensor | MaskMap) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (n, y) and (n, x), which rows and which columns each mask has a cell above one half in."""
    if not isinstance(masks, MaskMap):
        inside = masks > 0.5  # (n, y, x)
        return inside.any(dim=2).cpu().numpy(), inside.any(dim=1).cpu().numpy()
    owners = masks.owners.cpu().numpy()  # (y, x); -1 is the last row of a table, which is left out
    rows, columns = (np.zeros((masks.count + 1, side), dtype=bool) for side in owners.shape)
    rows[owners, np.arange(owners.shape[0])[:, None]] = True
    columns[owners, np.arange(owners.shape[1])] = True
    return rows[:-1], columns[:-1]


def _ends(lines: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (n,) the first line of each mask and (n,) the one after its last; both 0 where there is none."""
    last = lines.shape[1] - lines[:, ::-1].argmax(axis=1)
    return lines.argmax(axis=1), np.where(lines.any(axis=1), last, 0)


def best_first(proposals: MaskProposals, limit: int) -> MaskProposals:
    """Return at most `limit` proposals of the highest objectness, highest first, equal ones in their order."""
    if len(proposals) <= limit:
        return proposals
    return proposals.picked(torch.argsort(proposals.objectness, descending=True, stable=True)[:limit])
