"""CLIP's ConvNeXt as a dense backbone: pool the last map over the mask, then CLIP's own head (method.md 1.2, 1.3)."""

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
        """(b, 3, H, W) to the last map (b, d, H/32, W/32) and res2 .. res5 at strides 4, 8, 16, 32."""
        levels: dict[str, Tensor] = {}
        x = self.trunk.stem(x)
        for number, stage in enumerate(self.trunk.stages, start=2):
            levels[f"res{number}"] = x = stage(x)
        return self.trunk.norm_pre(x), levels

    def pooled(self, grid: Tensor, weights: Tensor, fcclip: bool) -> Tensor:
        """(n, d) of weights (n, h, w): the mean of the cells through the pooling head and the projection. With a mask
        that covers all of an unpadded image this is CLIP's own image vector."""
        means, _ = mask_pooling(grid, weights, EPS if fcclip else 0.0)  # (n, channels)
        projected: Tensor = self.head(self.trunk.head(means[:, :, None, None]))
        return projected
