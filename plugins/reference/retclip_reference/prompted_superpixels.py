"""`reference.prompted_superpixels`: marked objects as the superpixels under their boxes and points.

For points and boxes where no mask model is there: an object is as good as the superpixels that were marked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from retclip.errors import DataError
from retclip.types import DenseFeatures, Image, MaskProposals, Vocabulary
from retclip_reference.superpixels import superpixel_map

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from retclip.regions import Box, Point, Region
    from retclip.types import Device
    from retclip_reference import PromptedSuperpixelSettings


class PromptedSuperpixels:
    """A proposer that reads `Image.regions`."""

    def __init__(self, settings: PromptedSuperpixelSettings, device: Device) -> None:
        self.settings, self.device = settings, device

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,
        features: Sequence[DenseFeatures],  # noqa: ARG002
    ) -> list[MaskProposals]:
        """Return one entry per image: a binary mask (y, x) for each marked object of the vocabulary, objectness 1.

        A box adds the superpixels of which at least the share `inside` lies in it, or, without one, its own rectangle;
        a positive point adds its superpixel; a negative point removes its superpixel, unless a positive one lies on it.
        Raises DataError for an image in which nothing is marked.
        """
        return [self._masks(image, set(vocabulary.names)) for image in images]

    def _masks(self, image: Image, names: set[str]) -> MaskProposals:
        if not image.regions:
            raise DataError(
                f"boxes or points for image '{image.uri or image.sha256[:12]}'",
                "none",
                "mark objects in it (regions:PHOTOS?points=FILE), or use another proposer",
            )
        patches = superpixel_map(image.pixels, self.settings)
        sizes = np.bincount(patches.ravel())
        scale = (patches.shape[0] / image.size[0], patches.shape[1] / image.size[1])
        regions = [region for region in image.regions if region.class_name in names]
        masks = np.zeros((len(regions), *patches.shape), dtype=np.float32)
        for n, region in enumerate(regions):
            masks[n] = self._mask(region, patches, sizes, scale)
        device = self.device.torch_device
        prompts = tuple(region.class_name for region in regions)
        return MaskProposals(
            torch.from_numpy(masks).to(device), torch.ones(len(regions), device=device), image.size, prompts
        )

    def _mask(
        self, region: Region, patches: NDArray[np.int64], sizes: NDArray[np.int64], scale: tuple[float, float]
    ) -> NDArray[np.bool_]:
        taken = np.zeros(len(sizes), dtype=bool)
        mask = np.zeros(patches.shape, dtype=bool)
        if region.box is not None:
            rows, columns = _cells(region.box, patches.shape, scale)
            inside = np.bincount(patches[rows, columns].ravel(), minlength=len(sizes))
            taken = inside >= self.settings.inside * sizes
            if not taken.any():
                mask[rows, columns] = True
        on = [_at(point, patches, scale) for point in region.points if point.positive]
        beside = {_at(point, patches, scale) for point in region.points if not point.positive} - set(on)
        taken[on], taken[list(beside)] = True, False
        mask &= ~np.isin(patches, list(beside))
        grown: NDArray[np.bool_] = mask | taken[patches]
        return grown


def _at(point: Point, patches: NDArray[np.int64], scale: tuple[float, float]) -> int:
    """The superpixel under a point."""
    y, x = (min(int(value * by), side - 1) for value, by, side in zip(
        (point.y, point.x), scale, patches.shape, strict=True))  # fmt: skip
    return int(patches[y, x])


def _cells(box: Box, shape: tuple[int, ...], scale: tuple[float, float]) -> tuple[slice, slice]:
    """The rows and columns of the grid whose cells a box touches; at least one of each."""
    x0, y0, x1, y1 = box
    first = (min(math.floor(y0 * scale[0]), shape[0] - 1), min(math.floor(x0 * scale[1]), shape[1] - 1))
    last = (math.ceil(y1 * scale[0]), math.ceil(x1 * scale[1]))
    rows, columns = (slice(a, min(max(b, a + 1), side)) for a, b, side in zip(first, last, shape, strict=True))
    return rows, columns
