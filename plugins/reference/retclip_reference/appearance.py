"""What the colour-and-texture backbone measures at each pixel: colour, edges, contrast, height. Formulas, no weights.

Lightness and the two opponent colours are CIE L*a*b* (D65). All distances in pixels are of the working image. Colours
and filters are on grids (`fixed_point`), so that every machine measures the same.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retclip_reference.fixed_point import Doubles, gaussian, on_grid
from retclip_reference.soft_histograms import SoftBins, circle_bins, joint_bins, line_bins

LIGHTNESS = (5, 20, 35, 50, 65, 80, 95)
OPPONENT = (-40, -15, -5, 0, 5, 15, 40)  # denser near grey, where most of a photo lies
EDGE = (0.0, 1.5, 5.0)  # log2(1 + sigma * gradient of L*): steps look alike at every scale
CONTRAST = (0.0, 1.0, 2.0, 3.0, 4.5)  # log2(1 + standard deviation of L*)
ORIENTATIONS = 8
COLOUR, FILTER = 10, 17  # bits of L*, a*, b*; of a filter's weights: two filters over L* add up exactly

# Linear sRGB to CIE XYZ (D65), rows X, Y, Z (ITU-R BT.709 primaries); white is what r = g = b = 1 gives.
XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
LINEAR = 40  # bits of the linear samples


def lab(pixels: NDArray[np.uint8], black: int = 0, white: int = 255) -> Doubles:
    """(H, W, 3) float64 CIE L*a*b* on the grid of `COLOUR` bits: L* in [0, 100], a* and b* about [-128, 127]; of grey
    pixels a* = b* = 0. black, white: the samples that count as 0 and as 1, which all others lie between."""
    linear = _linear(black, white)[pixels]
    x, y, z = (_root(_weighted(linear, row) / _weighted(np.ones(3), row)) for row in XYZ)
    return on_grid(np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1), COLOUR)


@lru_cache(maxsize=64)
def _linear(black: int, white: int) -> Doubles:
    """(256,) the linear value of each 8-bit sRGB sample (IEC 61966-2-1)."""
    sample = ((np.arange(256) - black) / max(1, white - black)).clip(0, 1)
    return on_grid(np.where(sample > 0.04045, ((sample + 0.055) / 1.055) ** 2.4, sample / 12.92), LINEAR)


def _weighted(linear: Doubles, row: tuple[float, float, float]) -> Doubles:
    """One of X, Y, Z; added term by term, for a matrix product may add in any order."""
    red, green, blue = (linear[..., channel] * weight for channel, weight in enumerate(row))
    return red + green + blue


def _root(share: Doubles) -> Doubles:
    """The cube root of CIE L*a*b*, a straight line near black."""
    return np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)


def colour_bins(colour: NDArray[np.floating]) -> SoftBins:
    """343 joint bins of L*, a*, b*."""
    lightness = line_bins(colour[..., 0], LIGHTNESS)
    return joint_bins(lightness, joint_bins(line_bins(colour[..., 1], OPPONENT), line_bins(colour[..., 2], OPPONENT)))


def edge_bins(lightness: NDArray[np.floating], sigma: float) -> SoftBins:
    """24 joint bins of edge strength and orientation (modulo a half turn) of L* smoothed by a Gaussian."""
    smooth, slope = gaussian(sigma, FILTER), gaussian(sigma, FILTER, slope=True)
    down, right = filtered(lightness, slope, smooth), filtered(lightness, smooth, slope)
    strength = np.log2(1 + np.sqrt(down * down + right * right) * sigma)
    return joint_bins(line_bins(strength, EDGE), circle_bins(np.arctan2(down, right) / np.pi % 1.0, ORIENTATIONS))


def contrast_bins(lightness: NDArray[np.floating], near: int, far: int) -> SoftBins:
    """25 joint bins of the standard deviation of L* in two windows of `near` and `far` pixels."""
    return joint_bins(*(line_bins(_deviation(lightness, window), CONTRAST) for window in (near, far)))


def _deviation(lightness: NDArray[np.floating], window: int) -> Doubles:
    """log2(1 + standard deviation); from sums, which are exact where means are not."""
    values, ones = np.asarray(lightness, np.float64), np.ones(window)
    total, squares = filtered(values, ones, ones), filtered(values * values, ones, ones)
    count = window * window
    return np.log2(1 + np.sqrt(np.maximum(count * squares - total * total, 0)) / count)


def filtered(values: NDArray[np.floating], down: Doubles, right: Doubles) -> Doubles:
    """(H, W) or (H, W, c) float64, correlated with the weights along columns, then along rows; the border goes on
    beyond the edge."""
    columns = ndimage.correlate1d(values, down, axis=0, output=np.float64, mode="nearest")
    both: Doubles = ndimage.correlate1d(columns, right, axis=1, mode="nearest")
    return both


def height_bins(height: int, width: int, count: int) -> SoftBins:
    """`count` bins of how far down in the image a pixel lies."""
    y = (np.arange(height) + 0.5) / height
    return line_bins(np.repeat(y[:, None], width, axis=1), (np.arange(count) + 0.5) / count)
