"""A picture under construction: pixels, and which segment each pixel shows. Later paint hides earlier paint.

Shapes are given in fractions of the picture (x to the right, y down); coverage is anti-aliased, labels are not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageDraw

Floats = NDArray[np.float32]
Point = tuple[float, float]
Colour = tuple[float, float, float]  # RGB in [0, 1]

OVERSAMPLE = 4  # coverage is the mean of 4 x 4 samples


class Canvas:
    """pixels: (H, W, 3) float32 RGB in [0, 1]. labels: (H, W) int32 segment ids, 0 = none."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.pixels: Floats = np.zeros((height, width, 3), dtype=np.float32)
        self.labels: NDArray[np.int32] = np.zeros((height, width), dtype=np.int32)

    def polygon(self, points: Sequence[Point]) -> Floats:
        """(H, W) coverage in [0, 1] of a closed polygon."""
        picture, draw = self._sheet()
        draw.polygon([self._place(x, y) for x, y in points], fill=255)
        return self._coverage(picture)

    def ellipse(self, x: float, y: float, across: float, down: float) -> Floats:
        """(H, W) coverage in [0, 1] of an ellipse with its centre at (x, y) and these half axes."""
        picture, draw = self._sheet()
        draw.ellipse([self._place(x - across, y - down), self._place(x + across, y + down)], fill=255)
        return self._coverage(picture)

    def line(self, points: Sequence[Point], thickness: float) -> Floats:
        """(H, W) coverage in [0, 1] of a polyline; `thickness` is a fraction of the picture's height."""
        picture, draw = self._sheet()
        width = max(1, round(thickness * self.height * OVERSAMPLE))
        draw.line([self._place(x, y) for x, y in points], fill=255, width=width, joint="curve")
        return self._coverage(picture)

    def paint(self, coverage: Floats, colour: Colour | Floats, segment: int | None) -> None:
        """Blend `colour` (one, or (H, W, 3)) over the covered pixels and give those half covered or more to `segment`.

        segment None leaves the labels as they are: shadows and markings belong to what they lie on.
        """
        shade = np.asarray(colour, dtype=np.float32)
        self.pixels += coverage[..., None] * (shade - self.pixels)
        if segment is not None:
            self.labels[coverage >= 0.5] = segment

    def shade(self, coverage: Floats, factor: float) -> None:
        """Multiply the covered pixels by `factor`: a shadow below 1, a light above."""
        self.pixels *= 1 + coverage[..., None] * np.float32(factor - 1)

    def _sheet(self) -> tuple[PILImage.Image, ImageDraw.ImageDraw]:
        picture = PILImage.new("L", (self.width * OVERSAMPLE, self.height * OVERSAMPLE))
        return picture, ImageDraw.Draw(picture)

    def _place(self, x: float, y: float) -> Point:
        return x * self.width * OVERSAMPLE, y * self.height * OVERSAMPLE

    def _coverage(self, picture: PILImage.Image) -> Floats:
        return np.asarray(picture.reduce(OVERSAMPLE), dtype=np.float32) / np.float32(255)
