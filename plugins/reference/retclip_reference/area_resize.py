"""Bringing arrays to another grid by averages over cells, with memory for the new one only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def area_resized(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(H, W) or (H, W, 3) uint8 or (H, W) float32 on a grid of `size` = (h, w); unchanged where it fits already.

    A cell becomes the mean of the pixels whose centres lie in it: the exact area average where the ratio is whole, and
    off by half a pixel at most along each of the cell's edges where it is not. On a larger grid pixels are repeated.
    """
    if pixels.shape[:2] == tuple(size):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BOX))
