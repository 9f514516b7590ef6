"""CLIP's ConvNeXt as a dense backbone: mask pooling of the last map, then CLIP's own head (method.md 1.2, 1.3)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from retclip.algorithms.mask_pooling import mask_pooling

EPS = 1e-8  # FC-CLIP's, in the divisor


class ConvNextTower:
    """`visual` is OpenCLIP's TimmModel around a ConvNeXt."""

    multiple = 32
    pads = True

    def __init__(self, visual: Any) -> None:
        self.trunk, self.head = visual.trunk, visual.head

    def dense(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the last map (b, d, H/32, W/32) and res2 .. res5 at strides 4, 8, 16, 32.

        x: (b, 3, H, W) normalised pixels, sides multiples of 32.
        """
        levels: dict[str, Tensor] = {}
        x = self.trunk.stem(x)
        for number, stage in enumerate(self.trunk.stages, start=2):
            levels[f"res{number}"] = x = stage(x)
        return self.trunk.norm_pre(x), levels

    def pooled(self, grid: Tensor, weights: Tensor, fcclip: bool) -> Tensor:
        """Return (n, d): the weighted mean of the cells through CLIP's head and projection.

        A mask that covers all of an unpadded image gives CLIP's own image vector.

        grid: (channels, h, w).
        weights: (n, h, w) in [0, 1].
        """
        means, _ = mask_pooling(grid, weights, EPS if fcclip else 0.0)  # (n, channels)
        projected: Tensor = self.head(self.trunk.head(means[:, :, None, None]))  # (n, d)
        return projected
