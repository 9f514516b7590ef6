"""Soft histograms: each pixel parts a mass of 1 among the nearest bins, so a histogram moves smoothly with its values.

Axes: m bins that share one pixel's mass, H W working pixels, b bins, h w cells of the feature grid. Masses lie on a
grid (`fixed_point`), so a histogram is the same in whatever order it is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retclip_reference.fixed_point import Doubles, on_grid

SHARE = 14  # bits of a bin's share: three multiplied, over 45 x 45 pixels, still add up exactly
CELL = 20  # bits of a cell's histogram: float32 holds them


@dataclass(frozen=True, eq=False)
class SoftBins:
    """Where each pixel's mass goes. index: (m, H, W) int64 in [0, count). mass: (m, H, W) float64, sums to 1 over m."""

    index: NDArray[np.int64]
    mass: Doubles
    count: int


def line_bins(values: NDArray[np.floating], centres: Sequence[float] | Doubles) -> SoftBins:
    """Linear interpolation between the two nearest of the rising `centres`; values outside count as the end centre."""
    centre = np.asarray(centres, dtype=np.float64)
    inside = np.clip(values, centre[0], centre[-1])
    left = np.clip(np.searchsorted(centre, inside, side="right") - 1, 0, len(centre) - 2)
    return _parted(left, left + 1, (inside - centre[left]) / (centre[left + 1] - centre[left]), len(centre))


def circle_bins(turns: NDArray[np.floating], count: int) -> SoftBins:
    """As `line_bins` on a circle: `turns` in [0, 1], with bin centres at 0, 1/count, 2/count, ..."""
    scaled = np.multiply(turns, count, dtype=np.float64)
    left = np.floor(scaled).astype(np.int64)
    return _parted(left % count, (left + 1) % count, scaled - left, count)


def _parted(left: NDArray[np.int64], right: NDArray[np.int64], right_share: ArrayLike, count: int) -> SoftBins:
    share = on_grid(right_share, SHARE)
    return SoftBins(np.stack([left, right]), np.stack([1 - share, share]), count)


def joint_bins(first: SoftBins, second: SoftBins) -> SoftBins:
    """The product: bin i of `first` with bin j of `second` is bin i * second.count + j."""
    index = first.index[:, None] * second.count + second.index[None]
    mass = first.mass[:, None] * second.mass[None]
    shape = first.index.shape[1:]
    return SoftBins(index.reshape(-1, *shape), mass.reshape(-1, *shape), first.count * second.count)


def cell_histograms(bins: SoftBins, stride: int) -> NDArray[np.float32]:
    """(b, h, w) float32 on the grid of `CELL` bits: the mean histogram of each stride x stride cell; every cell sums
    to 1 over b, but for the rounding.

    The pixels' height and width are multiples of `stride`.
    """
    height, width = bins.index.shape[1] // stride, bins.index.shape[2] // stride
    row, column = np.arange(height).repeat(stride), np.arange(width).repeat(stride)
    cell = row[:, None] * width + column[None]  # (H, W)
    place = bins.index * (height * width) + cell
    total = np.bincount(place.ravel(), bins.mass.ravel(), minlength=bins.count * height * width)
    return on_grid(total / stride**2, CELL).astype(np.float32).reshape(bins.count, height, width)
