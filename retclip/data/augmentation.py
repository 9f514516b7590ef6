"""Photos for training: mirrored, scaled and cut to a square, pixels and annotation together (method.md 2.3).

Every random number comes from the generator that is given: the same generator gives the same crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.data.images import resized
from retclip.errors import ShapeError

GREY = 128  # what lies around a photo that is smaller than the crop (FC-CLIP, method.md 2.3)
VOID = 0


@dataclass(frozen=True)
class Augmentation:
    """Settings of a random crop.

    crop: side of the result in pixels.
    smallest, largest: the photo is fitted into a square of `crop` times a number between them.
    flip: mirror every second photo, left for right.
    """

    crop: int
    smallest: float
    largest: float
    flip: bool


@dataclass(frozen=True)
class Placement:
    """The scaling and crop of one photo.

    size: (H, W) after scaling.
    corner: (row, column) of it where the crop begins.
    """

    mirrored: bool
    size: tuple[int, int]
    corner: tuple[int, int]


def draw(size: tuple[int, int], how: Augmentation, random: np.random.Generator) -> Placement:
    """Return a random placement for a photo.

    Always four numbers are drawn, whatever the settings, so that one setting does not move the others' luck. The corner
    is drawn evenly from all that keep the crop full where the photo allows.

    size: (H, W).
    """
    luck, share, down, across = random.random(4)
    scale = how.smallest + share * (how.largest - how.smallest)
    fit = scale * how.crop / max(size)
    height, width = (max(1, round(side * fit)) for side in size)
    row, column = (
        round(at * max(0, side - how.crop)) for at, side in zip((down, across), (height, width), strict=True)
    )
    return Placement(how.flip and luck < 0.5, (height, width), (row, column))


def placed(
    pixels: NDArray[np.uint8], labels: NDArray[np.int32], where: Placement, crop: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return pixels (crop, crop, 3) and labels (crop, crop): pixels bilinear, labels of the nearest pixel.

    Grey and void fill the right and the lower side where the photo ends.

    pixels: (H, W, 3) uint8.
    labels: (H, W).

    Raises ShapeError where the two differ in size.
    """
    if pixels.shape[:2] != labels.shape:
        raise ShapeError("labels of the photo's size", f"{labels.shape} for {pixels.shape[:2]}", "match the two")
    top, left = where.corner
    rows, columns = (slice(at, at + crop) for at in (top, left))
    scaled = resized(pixels, where.size)[rows, columns]
    height, width = scaled.shape[:2]
    photo = np.full((crop, crop, 3), GREY, dtype=np.uint8)
    photo[:height, :width] = scaled
    marked = np.full((crop, crop), VOID, dtype=np.int32)
    down, across = (_nearest(full, small) for full, small in zip(labels.shape, where.size, strict=True))
    marked[:height, :width] = labels[down[rows][:, None], across[columns][None, :]]
    if where.mirrored:  # the part that is photo, so that the padding stays right and below
        photo[:height, :width] = photo[:height, :width][:, ::-1].copy()
        marked[:height, :width] = marked[:height, :width][:, ::-1].copy()
    return photo, marked


def _nearest(full: int, size: int) -> NDArray[np.int64]:
    """Return for each of `size` cells the cell of `full` with the nearest centre, as the bilinear resize does."""
    indices: NDArray[np.int64] = ((2 * np.arange(size, dtype=np.int64) + 1) * full) // (2 * size)
    return indices
