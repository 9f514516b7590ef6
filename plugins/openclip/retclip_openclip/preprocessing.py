"""Photos to network inputs: resized, normalised, then padded to a multiple of the stride (method.md 1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """The network's input, and the part of it that is photo; the rest, right and below, is padding."""

    size: tuple[int, int]  # (H, W) pixels of the input
    inner: tuple[int, int]  # (h, w) pixels of the photo in it

    @property
    def extent(self) -> tuple[float, float]:
        """The share of rows and columns that is photo, in (0, 1]."""
        return self.inner[0] / self.size[0], self.inner[1] / self.size[1]


def resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return (h, w, 3) uint8, resized bilinearly over the 8-bit values as in FC-CLIP's pipeline."""
    return np.asarray(Pillow.fromarray(pixels).resize((size[1], size[0]), Pillow.Resampling.BILINEAR))


def normalised(pixels: NDArray[np.uint8], mean: Tensor, std: Tensor) -> Tensor:
    """Return (3, h, w) float32.

    mean, std: (3,) of 8-bit values.
    """
    values = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float()
    return (values - mean[:, None, None]) / std[:, None, None]


def padded(values: Tensor, multiple: int) -> tuple[Tensor, Frame]:
    """Return (3, H, W), padded right and below to the next multiple with zeros, which is the mean colour."""
    height, width = values.shape[1:]
    size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    frame = Frame(size, (height, width))
    return torch.nn.functional.pad(values, (0, size[1] - width, 0, size[0] - height)), frame
