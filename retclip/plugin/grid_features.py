"""Photos through a network that gives one grid a photo: its input, and its grids as features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from retclip.plugin.batches import BatchSize
from retclip.types import DenseFeatures, FeatureSpace, Image


def normalised(pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> Float[Tensor, "3 h w"]:
    """Return (3, h, w) float32 of pixels that have the network's size already.

    pixels: (h, w, 3) uint8 RGB.
    mean, std: per colour, of values in [0, 1].
    """
    values = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float() / 255  # (3, h, w)
    return (values - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def grid_features(
    images: Sequence[Image],
    inputs: Sequence[Tensor],
    batches: BatchSize,
    grids: Callable[[Sequence[Tensor]], Sequence[Tensor]],
    space: FeatureSpace,
) -> list[DenseFeatures]:
    """Return one entry per image; inputs of one size go through the network together.

    inputs: (3, H, W) of each image, without padding.
    grids: the network: (d, h, w) of each of several inputs of one size.
    """
    grids_of = batches.run_alike(inputs, lambda values: values.shape, grids)
    return [
        DenseFeatures(grid, space, image.size, image.size[0] / grid.shape[1])
        for image, grid in zip(images, grids_of, strict=True)
    ]
