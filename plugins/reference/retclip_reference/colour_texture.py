"""`reference.colour_texture`: an exact backbone of soft histograms; a vector's cosine can be worked out by hand.

A cell of the feature grid holds several groups of bins (colour, edges, contrast, surroundings, height); each group is a
histogram that sums to 1. Pooling over a mask averages histograms, and a segment's vector is

    v = concatenation over groups g of sqrt(w_g * h_g),   sum of w_g = 1

so it has unit length, and the cosine of two segments is sum over g of w_g * sum over bins of sqrt(h_g * h'_g): a
weighted mean of Bhattacharyya coefficients in [0, 1] (Bhattacharyya 1943; "Hellinger kernel").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import ndimage

from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.types import DenseFeatures, FeatureSpace, Image, MaskLogits, SegmentFeatures
from retclip_reference import appearance
from retclip_reference.area_resize import area_resized
from retclip_reference.soft_histograms import cell_histograms

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from retclip.types import Device
    from retclip_reference import ColourTextureSettings

VERSION = "2"  # raised whenever a number of `appearance.py` changes: vectors of two versions do not compare


class ColourTexture:
    """Images to histograms, masks to unit vectors. No weights, no text tower."""

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
        """masks: (n, y, x) float in [0, 1] over the whole image. Vectors (n, d) float32 of unit length, all >= 0."""
        grid = features.grid
        weights = area_weights(masks.to(grid), (grid.shape[1], grid.shape[2]), features.extent)  # (n, h, w)
        histograms, covered = mask_pooling(grid, weights)  # (n, d), (n,)
        vectors = torch.sqrt(histograms.clamp(min=0) * self._shares.to(grid))
        return SegmentFeatures(F.normalize(vectors, dim=-1), covered, self.space)

    def text_vectors(self, names: Sequence[str]) -> Tensor | None:  # noqa: ARG002
        """None: a histogram cannot read."""
        return None

    def _dense(self, image: Image) -> DenseFeatures:
        groups = self._groups(image.pixels)
        grid = torch.from_numpy(np.concatenate([group for _, group in groups]))  # (d, h, w)
        stride = max(image.size) / max(grid.shape[1:])
        return DenseFeatures(grid.to(self.device.torch_device), self.space, image.size, stride)

    def _groups(self, pixels: NDArray[np.uint8]) -> list[tuple[float, NDArray[np.float32]]]:
        """(weight, histograms (b, h, w)) of each group."""
        chosen = self.settings
        working = working_image(pixels, chosen.grid, chosen.stride)
        lab = appearance.lab(working)
        lightness = lab[..., 0]
        colour = cell_histograms(appearance.colour_bins(lab), chosen.stride)
        coarse = cell_histograms(appearance.edge_bins(lightness, 2.5), chosen.stride)
        return [
            (chosen.colour, colour),
            (chosen.fine_edges, cell_histograms(appearance.edge_bins(lightness, 1.0), chosen.stride)),
            (chosen.coarse_edges, coarse),
            (chosen.contrast, cell_histograms(appearance.contrast_bins(lightness, 5, 15), chosen.stride)),
            (chosen.colour_around, surroundings(colour, chosen.around)),
            (chosen.edges_around, surroundings(coarse, chosen.around)),
            (chosen.height, cell_histograms(appearance.height_bins(*lightness.shape, 12), chosen.stride)),
        ]


def surroundings(histograms: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """(b, h, w): each cell's histogram becomes the Gaussian mean of those around it, itself included; sums stay 1.

    `radius` is the Gaussian's standard deviation in cells. As two matrix products, because a filter over hundreds of
    bins takes ten times as long."""
    rows, columns = (_blur(length, radius) for length in histograms.shape[1:])
    return rows @ histograms @ columns.T


def _blur(length: int, radius: float) -> NDArray[np.float32]:
    """(length, length): row i holds the Gaussian weights around i; cells beyond the edge count as the last one."""
    return ndimage.gaussian_filter1d(np.eye(length, dtype=np.float32), radius, axis=0, mode="nearest")


def working_image(pixels: NDArray[np.uint8], grid: int, stride: int) -> NDArray[np.uint8]:
    """The photo with sides that are multiples of `stride`, the longer one of at most `grid` cells: averaged where it
    is larger than that, else brought to the nearest multiple, which may repeat or merge a few rows and columns."""
    height, width = pixels.shape[:2]
    scale = min(1.0, grid * stride / max(height, width)) / stride
    return area_resized(pixels, (max(1, round(height * scale)) * stride, max(1, round(width * scale)) * stride))


def _channel_shares(groups: Sequence[tuple[float, int]]) -> Tensor:
    """(d,) the weight of each channel's group, over the sum of all weights."""
    total = sum(weight for weight, _ in groups)
    return torch.cat([torch.full((bins,), weight / total) for weight, bins in groups])
