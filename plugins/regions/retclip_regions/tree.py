"""`regions.tree`: superpixels, merged two by two into larger regions until the photo is one; every region is a mask.

1. Superpixels of the photo on a small grid: SLIC's (Achanta et al., SLIC superpixels, PAMI 2012), or those of the graph
   of pixels (Felzenszwalb and Huttenlocher, Efficient graph-based image segmentation, IJCV 2004), which keep what is
   thin and long apart from what is behind it.
2. Each has its mean colour (CIE L*a*b*) and the mean of the backbone's feature grid, brought to unit length.
3. Regions that touch are merged by Ward's criterion on both (`ward.py`).

An object that no superpixel is, a region of some step may be; which one, class scores decide (`algorithms.mask_tree`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb, slic

from retclip.algorithms.mask_tree import summed_up
from retclip.data.images import resized
from retclip.types import DenseFeatures, Image, MaskMap, MaskProposals, Vocabulary
from retclip_regions.ward import borders, nearest_above, not_merged_first, ward_tree, without_smaller

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from retclip.types import Device
    from retclip_regions import TreeSettings

LAB = 30.0  # of L*a*b*, as far apart as two feature vectors at a distance of 1: the weight 1 of both
ITERATIONS = 5  # of SLIC: more move few borders
SMOOTHED = 0.5  # sigma in pixels, before the graph of pixels is made: enough against the noise of JPEG


class RegionTree:
    """A class-agnostic proposer of nested regions."""

    def __init__(self, settings: TreeSettings, device: Device) -> None:
        self.settings = settings
        self.device = device

    def propose(
        self,
        images: Sequence[Image],
        vocabulary: Vocabulary,  # noqa: ARG002
        features: Sequence[DenseFeatures],
    ) -> list[MaskProposals]:
        """Return one entry per image: a tree of binary masks (`parents`), its leaves as a map (y, x), objectness 1.

        Smaller regions come before the larger ones that they became part of. The grid is the image's own, or that of
        the image reduced where a side is longer than `side`.
        """
        return [self._masks(image, grid) for image, grid in zip(images, features, strict=True)]

    def _masks(self, image: Image, features: DenseFeatures) -> MaskProposals:
        pixels = _small(image.pixels, self.settings.side)
        regions = _superpixels(pixels, self.settings)  # (y, x)
        areas = np.bincount(regions.ravel()).astype(np.float64)  # (m,)
        colours = _means(rgb2lab(pixels).reshape(-1, 3), regions, areas) / LAB  # (m, 3)
        deep = _feature_means(features, regions) * self.settings.features**0.5  # (m, d)
        parents = ward_tree(np.concatenate([colours, deep], axis=1), areas, borders(regions))  # (n,)
        sizes = summed_up(torch.from_numpy(areas), torch.from_numpy(parents)).numpy()  # (n,)
        stays = without_smaller(parents, sizes / areas.sum(), self.settings.smallest)  # (n,)
        if self.settings.superpixels == "graph":
            stays &= not_merged_first(parents, len(areas), self.settings.count)
        device, count = self.device.torch_device, int(stays.sum())
        number = np.append(np.cumsum(stays) - 1, -1)  # (n + 1,) of each node among those that stay; the last for "none"
        owner = number[nearest_above(parents, stays)][regions]  # (y, x)
        return MaskProposals(
            MaskMap(torch.from_numpy(owner).to(device), count),
            torch.ones(count, device=device),
            image.size,
            parents=torch.from_numpy(number[parents[stays]]),
        )


def _small(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    shrink = side / max(height, width)
    if shrink >= 1.0:
        return pixels
    return resized(pixels, (max(1, round(height * shrink)), max(1, round(width * shrink))))


def _superpixels(pixels: NDArray[np.uint8], settings: TreeSettings) -> NDArray[np.int64]:
    """Return (y, x) int64, the number of each pixel's superpixel, 0 .. m - 1 without gaps.

    They are numbered in no order of place: whoever takes the first few of equal objectness, as a build with a limit
    does, gets some from everywhere.
    """
    patches = _of_graph(pixels, settings) if settings.superpixels == "graph" else _of_slic(pixels, settings)
    patch_ids, number = np.unique(patches, return_inverse=True)
    shuffled = np.random.default_rng(0).permutation(len(patch_ids))
    return shuffled[number].reshape(patches.shape)


def _of_slic(pixels: NDArray[np.uint8], settings: TreeSettings) -> NDArray[np.int64]:
    patches: NDArray[np.int64] = slic(
        pixels,
        n_segments=settings.count,
        compactness=settings.compactness,
        sigma=1,
        start_label=0,
        max_num_iter=ITERATIONS,
        channel_axis=-1,
    )
    return patches


def _of_graph(pixels: NDArray[np.uint8], settings: TreeSettings) -> NDArray[np.int64]:
    least = round(settings.speck * pixels.shape[0] * pixels.shape[1])
    patches: NDArray[np.int64] = felzenszwalb(
        pixels, scale=settings.scale, sigma=SMOOTHED, min_size=least, channel_axis=-1
    )
    return patches


def _means(values: NDArray[np.float64], regions: NDArray[np.int64], areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (m, d) the mean of each region's pixels. values: (y * x, d)."""
    flat = regions.ravel()
    sums = [np.bincount(flat, channel, minlength=len(areas)) for channel in values.T]
    return np.stack(sums, axis=1) / areas[:, None]


def _feature_means(features: DenseFeatures, regions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (m, d) the mean of the feature grid over each region, of unit length; 0 where there are no features.

    Each pixel counts with the cell that its centre lies in.
    """
    grid = features.grid.detach().float().cpu()  # (d, h, w)
    rows, columns = (
        ((np.arange(pixels) + 0.5) / pixels * share * cells).astype(np.int64)
        for pixels, cells, share in zip(regions.shape, grid.shape[1:], features.extent, strict=True)
    )  # (y,), (x,)
    cells = rows[:, None] * grid.shape[2] + columns  # (y, x)
    count, per_region = int(regions.max()) + 1, grid.shape[1] * grid.shape[2]
    shares = np.bincount((regions * per_region + cells).ravel(), minlength=count * per_region)  # pixels of each pair
    weights: Tensor = torch.from_numpy(shares.reshape(count, per_region)).float()  # (m, h * w)
    sums = weights @ grid.flatten(1).T  # (m, d)
    return torch.nn.functional.normalize(sums, dim=1).double().numpy()
