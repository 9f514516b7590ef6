"""`reference.colour_texture`: an exact backbone of soft histograms; a vector's cosine can be worked out by hand.

A cell of the feature grid holds several groups of bins (colour, edges, contrast, surroundings, height); each group is a
histogram that sums to 1. Pooling over a mask averages histograms, and a segment's vector is

    v = concatenation over groups g of sqrt(w_g * h_g),   sum of w_g = 1

so it has unit length, and the cosine of two segments is sum over g of w_g * sum over bins of sqrt(h_g * h'_g): a
weighted mean of Bhattacharyya coefficients in [0, 1] (Bhattacharyya 1943; "Hellinger kernel").

Histograms, masks and weights lie on grids (`fixed_point`) that are coarse enough for every sum to be exact: a photo has
the same vectors on every processor, with any number of threads and with any matrix library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.types import DenseFeatures, FeatureSpace, Image, MaskLogits, SegmentFeatures
from retclip_reference import appearance
from retclip_reference.area_resize import area_resized
from retclip_reference.fixed_point import gaussian, on_grid
from retclip_reference.soft_histograms import CELL, cell_histograms

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from retclip.types import Device
    from retclip_reference import ColourTextureSettings

VERSION = "3"  # raised whenever a number of this backbone changes: vectors of two versions do not compare
EDGE_STEPS = 256  # a mask's edge lies on one of so many places of a cell
MASK, COVER = 8, 16  # bits of a mask's values; of the share of a cell that it covers
BLUR = 16  # bits of the surroundings' weights: with the histograms' 20 on both axes they fill float64
LENGTH = 24  # bits of a vector's length
MASKS_AT_ONCE = 4


class ColourTexture:
    """Images to histograms, masks to unit vectors. No weights, no text tower."""

    area_steps = EDGE_STEPS

    def __init__(self, settings: ColourTextureSettings, device: Device) -> None:
        self.settings = settings
        self.device = device
        probe = self._groups(np.zeros((1, 1, 3), dtype=np.uint8))
        self._shares = _channel_shares([(weight, len(group)) for weight, group in probe])  # (d,)
        self.space = FeatureSpace(
            backbone="reference.colour_texture",
            weights="none",
            preprocessing=f"version {VERSION}; {settings.model_dump_json()}",
            pooling="area-1",
            dim=len(self._shares),
        )

    def dense_features(self, images: Sequence[Image]) -> list[DenseFeatures]:
        """One entry per image: grid (d, h, w) float32 in [0, 1], every group of bins sums to 1 in every cell."""
        return [self._dense(image) for image in images]

    def segment_vectors(
        self,
        features: DenseFeatures,
        masks: Tensor,
        logits: MaskLogits | None = None,  # noqa: ARG002  a histogram knows no network's frame
    ) -> SegmentFeatures:
        """Return vectors (n, d) float32 of unit length, all values >= 0.

        masks: (n, y, x) float in [0, 1] over the whole image.
        """
        grid, device = features.grid, features.grid.device
        weights = _covered_shares(masks.to(device), (grid.shape[1], grid.shape[2]), features.extent)  # (n, h, w)
        return self.weighted_vectors(features, weights)

    def weighted_vectors(self, features: DenseFeatures, weights: Tensor) -> SegmentFeatures:
        """Return vectors (n, d) as `segment_vectors`. weights: (n, h, w) share of each cell that each mask covers."""
        histograms, covered = mask_pooling(features.grid.double(), _rounded(weights, COVER).double())  # (n, d), (n,)
        squares = histograms * self._shares.to(weights.device)
        lengths = _rounded(squares.sum(dim=1, keepdim=True), LENGTH).clamp(min=2.0**-LENGTH)  # 1 but for the rounding
        return SegmentFeatures(torch.sqrt(squares / lengths).float(), covered, self.space)

    def text_vectors(self, names: Sequence[str]) -> Tensor | None:  # noqa: ARG002
        """Return None, because histograms have no text tower."""
        return None

    def _dense(self, image: Image) -> DenseFeatures:
        groups = self._groups(image.pixels)
        grid = torch.from_numpy(np.concatenate([group for _, group in groups]))  # (d, h, w)
        stride = max(image.size) / max(grid.shape[1:])
        return DenseFeatures(grid.to(self.device.torch_device), self.space, image.size, stride)

    def _groups(self, pixels: NDArray[np.uint8]) -> list[tuple[float, NDArray[np.float32]]]:
        """(weight, histograms (b, h, w)) of each group."""
        settings = self.settings
        working = working_image(pixels, settings.grid, settings.stride)
        lab = appearance.lab(working)
        lightness = lab[..., 0]
        height, width = lightness.shape
        colour = cell_histograms(appearance.colour_bins(lab), settings.stride)
        coarse = cell_histograms(appearance.edge_bins(lightness, 2.5), settings.stride)
        return [
            (settings.colour, colour),
            (settings.fine_edges, cell_histograms(appearance.edge_bins(lightness, 1.0), settings.stride)),
            (settings.coarse_edges, coarse),
            (settings.contrast, cell_histograms(appearance.contrast_bins(lightness, 5, 15), settings.stride)),
            (settings.colour_around, surroundings(colour, settings.around)),
            (settings.edges_around, surroundings(coarse, settings.around)),
            (settings.height, cell_histograms(appearance.height_bins(height, width, 12), settings.stride)),
        ]


def surroundings(histograms: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """(b, h, w): each cell's histogram becomes the Gaussian mean of those around it, itself included; sums stay 1.

    `radius` is the Gaussian's standard deviation in cells; cells beyond the edge count as the last one. As two matrix
    products, because a filter over hundreds of bins takes ten times as long; by torch, because NumPy makes hundreds of
    small ones of them, whose threads wait for one another. Bins that the photo has nothing in stay empty."""
    rows, columns = (torch.from_numpy(_blur(length, radius)) for length in histograms.shape[1:])
    used = histograms.any(axis=(1, 2))  # (b,)
    around = np.zeros_like(histograms)
    around[used] = on_grid((rows @ (torch.from_numpy(histograms[used]).double() @ columns.T)).numpy(), CELL)
    return around


def _blur(length: int, radius: float) -> NDArray[np.float64]:
    """(length, length): row i holds the weights around i."""
    weights = gaussian(radius, BLUR)
    half = len(weights) // 2
    blur = np.zeros((length, length))
    for step, weight in enumerate(weights, start=-half):
        np.add.at(blur, (np.arange(length), (np.arange(length) + step).clip(0, length - 1)), weight)
    return blur


def _covered_shares(masks: Tensor, size: tuple[int, int], extent: tuple[float, float]) -> Tensor:
    """(n, h, w) float32 on the grid of `COVER` bits; a few masks at a time, which stay in the processor's cache."""
    if not len(masks):
        return masks.new_zeros((0, *size))
    groups = (_rounded(group.float(), MASK) for group in masks.split(MASKS_AT_ONCE))
    return torch.cat([_rounded(area_weights(group, size, extent, EDGE_STEPS), COVER) for group in groups])


def _rounded(values: Tensor, bits: int) -> Tensor:
    """To the nearest multiple of 2^-bits, in memory of its own."""
    return values.mul(2.0**bits).round_().div_(2.0**bits)


def working_image(pixels: NDArray[np.uint8], grid: int, stride: int) -> NDArray[np.uint8]:
    """The photo with sides that are multiples of `stride`, the longer one of at most `grid` cells: averaged where it
    is larger than that, else brought to the nearest multiple, which may repeat or merge a few rows and columns."""
    height, width = pixels.shape[:2]
    scale = min(1.0, grid * stride / max(height, width)) / stride
    return area_resized(pixels, (max(1, round(height * scale)) * stride, max(1, round(width * scale)) * stride))


def _channel_shares(groups: Sequence[tuple[float, int]]) -> Tensor:
    """(d,) float64, the weight of each channel's group, over the sum of all weights."""
    total = sum(weight for weight, _ in groups)
    return torch.cat([torch.full((bins,), weight / total, dtype=torch.float64) for weight, bins in groups])
