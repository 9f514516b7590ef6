"""Soft histograms: each pixel parts a mass of 1 among the nearest bins, so a histogram moves smoothly with its values.

Axes: m bins that share one pixel's mass, H W working pixels, b bins, h w cells of the feature grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SoftBins:
    """Where each pixel's mass goes. index: (m, H, W) int64 in [0, count). mass: (m, H, W) float32, sums to 1 over m."""

    index: NDArray[np.int64]
    mass: NDArray[np.float32]
    count: int


def line_bins(values: NDArray[np.float32], centres: Sequence[float]) -> SoftBins:
    """Linear interpolation between the two nearest of the rising `centres`; values outside count as the end centre."""
    centre = np.asarray(centres, dtype=np.float32)
    inside = np.clip(values, centre[0], centre[-1])
    left = np.clip(np.searchsorted(centre, inside, side="right") - 1, 0, len(centre) - 2)
    right_share = (inside - centre[left]) / (centre[left + 1] - centre[left])
    return SoftBins(np.stack([left, left + 1]), np.stack([1 - right_share, right_share]), len(centre))


def circle_bins(turns: NDArray[np.float32], count: int) -> SoftBins:
    """As `line_bins` on a circle: `turns` in [0, 1], with bin centres at 0, 1/count, 2/count, ..."""
    scaled = turns * count
    left = np.floor(scaled).astype(np.int64)
    right_share = (scaled - left).astype(np.float32)
    return SoftBins(np.stack([left % count, (left + 1) % count]), np.stack([1 - right_share, right_share]), count)


def joint_bins(first: SoftBins, second: SoftBins) -> SoftBins:
    """The product: bin i of `first` with bin j of `second` is bin i * second.count + j."""
    index = first.index[:, None] * second.count + second.index[None]
    mass = first.mass[:, None] * second.mass[None]
    shape = first.index.shape[1:]
    return SoftBins(index.reshape(-1, *shape), mass.reshape(-1, *shape), first.count * second.count)


def cell_histograms(bins: SoftBins, stride: int) -> NDArray[np.float32]:
    """(b, h, w) float32: the mean histogram of each stride x stride cell; every cell sums to 1 over b.

    The pixels' height and width are multiples of `stride`.
    """
    height, width = bins.index.shape[1] // stride, bins.index.shape[2] // stride
    row, column = np.arange(height).repeat(stride), np.arange(width).repeat(stride)
    cell = row[:, None] * width + column[None]  # (H, W)
    place = bins.index * (height * width) + cell
    total = np.bincount(place.ravel(), bins.mass.ravel(), minlength=bins.count * height * width)
    return (total / stride**2).astype(np.float32).reshape(bins.count, height, width)
