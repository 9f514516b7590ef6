"""What the colour-and-texture backbone measures at each pixel: colour, edges, contrast, height. Formulas, no weights.

Lightness and the two opponent colours are CIE L*a*b* (D65). All distances in pixels are of the working image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2lab

from retclip_reference.soft_histograms import SoftBins, circle_bins, joint_bins, line_bins

LIGHTNESS = (5, 20, 35, 50, 65, 80, 95)
OPPONENT = (-40, -15, -5, 0, 5, 15, 40)  # denser near grey, where most of a photo lies
EDGE = (0.0, 1.5, 5.0)  # log2(1 + sigma * gradient of L*): steps look alike at every scale
CONTRAST = (0.0, 1.0, 2.0, 3.0, 4.5)  # log2(1 + standard deviation of L*)
ORIENTATIONS = 8


def lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) float32 CIE L*a*b*: L* in [0, 100], a* and b* about [-128, 127]."""
    values: NDArray[np.float32] = rgb2lab(pixels.astype(np.float32) / 255)
    return values


def colour_bins(colour: NDArray[np.float32]) -> SoftBins:
    """343 joint bins of L*, a*, b*."""
    lightness = line_bins(colour[..., 0], LIGHTNESS)
    return joint_bins(lightness, joint_bins(line_bins(colour[..., 1], OPPONENT), line_bins(colour[..., 2], OPPONENT)))


def edge_bins(lightness: NDArray[np.float32], sigma: float) -> SoftBins:
    """24 joint bins of edge strength and orientation (modulo a half turn) of L* smoothed by a Gaussian."""
    down, right = (ndimage.gaussian_filter(lightness, sigma, order=order, mode="nearest") for order in ((1, 0), (0, 1)))
    strength = np.log2(1 + np.hypot(down, right) * sigma)
    turns = np.arctan2(down, right) / np.pi % 1.0
    return joint_bins(line_bins(strength, EDGE), circle_bins(turns.astype(np.float32), ORIENTATIONS))


def contrast_bins(lightness: NDArray[np.float32], near: int, far: int) -> SoftBins:
    """25 joint bins of the standard deviation of L* in two windows of `near` and `far` pixels."""
    return joint_bins(*(line_bins(_deviation(lightness, window), CONTRAST) for window in (near, far)))


def _deviation(lightness: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    mean = ndimage.uniform_filter(lightness, window, mode="nearest")
    square = ndimage.uniform_filter(lightness * lightness, window, mode="nearest")
    return np.log2(1 + np.sqrt(np.maximum(square - mean * mean, 0)))


def height_bins(height: int, width: int, count: int) -> SoftBins:
    """`count` bins of how far down in the image a pixel lies."""
    y = (np.arange(height, dtype=np.float32) + 0.5) / height
    return line_bins(np.repeat(y[:, None], width, axis=1), (np.arange(count) + 0.5) / count)
