"""Made-up inputs for the checks."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.errors import ContractBroken
from retclip.regions import Point, Region
from retclip.types import Image, PanopticSegmentation, SegmentInfo, Vocabulary

NAMES = ("sky", "grass", "car")
SIZES = ((48, 64), (64, 48), (48, 64), (7, 5), (33, 100))  # (H, W): landscape, portrait, one more, tiny, odd
COLOURS = ((110, 15, 15), (15, 90, 40), (25, 30, 110), (95, 90, 20))  # far apart, and all lighter when inverted


def photos() -> list[Image]:
    """Photos of several shapes, two of one, with a gradient, noise, an annotation of two segments, and as many marked
    objects of the vocabulary: one with a box, one with points."""
    return [_photo(height, width, seed) for seed, (height, width) in enumerate(SIZES)]


def _photo(height: int, width: int, seed: int) -> Image:
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 200, width)[None, :, None] + rng.integers(0, 55, (height, width, 3))
    pixels = ramp.astype(np.uint8)
    label_map = np.ones((height, width), dtype=np.int32)
    label_map[height // 2 :] = 2
    counts = [int((label_map == segment_id).sum()) for segment_id in (1, 2)]
    segments = (SegmentInfo(1, NAMES[0], False, counts[0]), SegmentInfo(2, NAMES[1], False, counts[1]))
    identity = hashlib.sha256(pixels.tobytes()).hexdigest()
    marked = (
        Region(NAMES[0], (0.0, 0.0, width / 2, height / 2)),
        Region(NAMES[1], None, (Point(width / 2, height - 1.0), Point(0.0, 0.0, positive=False))),
        Region("unasked", None, (Point(0.0, 0.0),)),
    )
    return Image(pixels, identity, f"conformance-{seed}", PanopticSegmentation(label_map, segments), marked)


def quadrants(height: int, width: int, seed: int) -> Image:
    """A photo of four coloured quadrants under noise.

    seed: of the noise and of which quadrant has which colour.
    """
    rng = np.random.default_rng(seed)
    colours = rng.permutation(np.array(COLOURS))
    pixels = rng.normal(0, 20, (height, width, 3))
    for n, rows in enumerate((slice(None, height // 2), slice(height // 2, None))):
        pixels[rows, : width // 2] += colours[2 * n]
        pixels[rows, width // 2 :] += colours[2 * n + 1]
    return as_image(pixels.clip(0, 255).astype(np.uint8))


def inverted(image: Image, axis: int, start: float, end: float) -> Image:
    """The photo with the colours of a part inverted.

    axis: 0 for a part of its rows, 1 of its columns.
    start, end: shares of that side.
    """
    pixels = image.pixels.copy()
    side = image.size[axis]
    part = np.moveaxis(pixels, axis, 0)[round(start * side) : round(end * side)]
    part[:] = 255 - part
    return as_image(pixels)


def as_image(pixels: NDArray[np.uint8]) -> Image:
    """A photo without a name or annotation; its identity is that of its pixels."""
    return Image(pixels, hashlib.sha256(pixels.tobytes()).hexdigest())


def vocabulary(text: Tensor | None = None) -> Vocabulary:
    """Three classes, one with a synonym."""
    return Vocabulary(NAMES, (False, False, True), ((), ("lawn",), ()), text)


def masks() -> Tensor:
    """(3, 6, 8): everything, the left half, one soft corner."""
    masks = torch.zeros(3, 6, 8)
    masks[0], masks[1, :, :4], masks[2, :2, :2] = 1.0, 1.0, 0.7
    return masks


def unchanged(image: Image) -> None:
    """Raises ContractBroken where somebody wrote into the photo."""
    if hashlib.sha256(image.pixels.tobytes()).hexdigest() != image.sha256:
        raise ContractBroken("the photo's pixels untouched", "changed pixels", "copy before you write")
