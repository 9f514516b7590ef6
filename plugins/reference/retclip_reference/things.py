"""How each thing of a drawn scene is painted: thing(canvas, rng, x, y, size, segment).

(x, y) is the middle of the thing's foot, or of its lowest point where it flies, and `size` its height, all in fractions
of the picture's height; x counts in heights too, so that nothing is stretched in a wide picture.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

from retclip_reference.canvas import Canvas, Colour, Floats, Point
from retclip_reference.textures import Rng, mix, noise


class Brush:
    """A canvas seen from one thing: coordinates relative to its foot, in units of its size, y upwards."""

    def __init__(self, canvas: Canvas, x: float, y: float, size: float, segment: int) -> None:
        self.canvas, self.x, self.y, self.size, self.segment = canvas, x, y, size, segment
        self.squeeze = canvas.height / canvas.width

    def _place(self, x: float, y: float) -> Point:
        return (self.x + x * self.size) * self.squeeze, self.y - y * self.size

    def polygon(self, points: Sequence[Point], colour: Colour | Floats) -> None:
        """Paint a closed polygon."""
        self.canvas.paint(self.canvas.polygon([self._place(x, y) for x, y in points]), colour, self.segment)

    def box(self, left: float, bottom: float, right: float, top: float, colour: Colour | Floats) -> None:
        """Paint an upright box."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour)

    def ellipse(self, x: float, y: float, across: float, up: float, colour: Colour | Floats) -> None:
        """Paint an ellipse with these half axes."""
        centre = self._place(x, y)
        shape = self.canvas.ellipse(*centre, across * self.size * self.squeeze, up * self.size)
        self.canvas.paint(shape, colour, self.segment)

    def line(self, points: Sequence[Point], thickness: float, colour: Colour) -> None:
        """Paint a polyline."""
        shape = self.canvas.line([self._place(x, y) for x, y in points], thickness * self.size)
        self.canvas.paint(shape, colour, self.segment)

    def shadow(self, across: float) -> None:
        """Darken the ground under the thing; the ground keeps its label."""
        centre = self._place(0.08, 0.0)
        shape = self.canvas.ellipse(*centre, across * self.size * self.squeeze, 0.12 * across * self.size)
        self.canvas.shade(shape, 0.6)

    def noise(self, rng: Rng, down: float, across: float) -> Floats:
        """(H, W) noise as large as the picture."""
        return noise(rng, self.canvas.height, self.canvas.width, down, across)


def vivid(rng: Rng, hues: Sequence[float]) -> Colour:
    """A saturated colour near one of the hues (0 red, 1/3 green, 2/3 blue)."""
    hue = hues[int(rng.integers(len(hues)))] + rng.uniform(-0.02, 0.02)
    return colorsys.hsv_to_rgb(hue % 1.0, rng.uniform(0.7, 0.95), rng.uniform(0.7, 0.95))


def ball(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """A beach ball: coloured gores, a white cap, a highlight."""
    brush = Brush(canvas, x, y, size, segment)
    brush.shadow(0.55)
    first, second = vivid(rng, [0.0, 0.08]), vivid(rng, [0.6, 0.14])
    brush.ellipse(0, 0.5, 0.5, 0.5, first)
    brush.ellipse(0, 0.5, 0.32, 0.5, (0.96, 0.96, 0.94))
    brush.ellipse(0, 0.5, 0.13, 0.5, second)
    brush.ellipse(-0.18, 0.74, 0.09, 0.07, (1, 1, 1))


def house(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """Plaster walls, a tiled roof, a door and windows."""
    brush = Brush(canvas, x, y, size, segment)
    brush.shadow(0.8)
    walls: tuple[Colour, ...] = ((0.93, 0.88, 0.76), (0.90, 0.74, 0.58), (0.86, 0.86, 0.88), (0.95, 0.84, 0.55))
    wall = walls[int(rng.integers(len(walls)))]
    brush.box(-0.6, 0, 0.6, 0.58, mix(brush.noise(rng, 2, 2), (wall[0] * 0.92, wall[1] * 0.92, wall[2] * 0.92), wall))
    tiles = 0.5 * brush.noise(rng, 2, 7) + 0.5 * brush.noise(rng, 2, 2)
    brush.polygon(
        [(-0.72, 0.55), (0.72, 0.55), (0.45, 1), (-0.45, 1)], mix(tiles, (0.38, 0.14, 0.12), (0.66, 0.30, 0.2))
    )
    brush.box(-0.1, 0, 0.1, 0.34, (0.35, 0.22, 0.13))
    for left in (-0.45, 0.25):
        brush.box(left, 0.22, left + 0.2, 0.42, (0.95, 0.95, 0.95))
        brush.box(left + 0.03, 0.25, left + 0.17, 0.39, (0.32, 0.42, 0.52))


def tree(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """A trunk and a crown of leaves in clumps, darker and bluer than grass."""
    brush = Brush(canvas, x, y, size, segment)
    brush.shadow(0.4)
    brush.box(-0.05, 0, 0.05, 0.5, mix(brush.noise(rng, 6, 1.5), (0.25, 0.16, 0.09), (0.42, 0.29, 0.18)))
    leaves = mix(brush.noise(rng, 2, 2), (0.03, 0.15, 0.08), (0.22, 0.45, 0.22))
    for _ in range(9):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.2)
        brush.ellipse(reach * np.cos(angle), 0.68 + reach * np.sin(angle) * 0.8, 0.17, 0.15, leaves)


def car(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """A side view: body, cabin with glass, two wheels."""
    brush = Brush(canvas, x, y, size, segment)
    brush.shadow(1.2)
    body = vivid(rng, [0.0, 0.13, 0.6, 0.98]) if rng.random() < 0.75 else (0.8, 0.81, 0.83)
    brush.polygon([(-0.6, 0.5), (-0.4, 1), (0.35, 1), (0.62, 0.5)], body)
    brush.polygon([(-0.48, 0.53), (-0.33, 0.92), (-0.03, 0.92), (-0.03, 0.53)], (0.18, 0.24, 0.30))
    brush.polygon([(0.05, 0.53), (0.05, 0.92), (0.29, 0.92), (0.48, 0.53)], (0.18, 0.24, 0.30))
    brush.polygon([(-1.1, 0.18), (-1.12, 0.5), (-0.5, 0.58), (0.7, 0.56), (1.1, 0.44), (1.12, 0.18)], body)
    brush.box(0.98, 0.33, 1.1, 0.42, (1.0, 0.95, 0.7))
    for middle in (-0.65, 0.65):
        brush.ellipse(middle, 0.2, 0.21, 0.21, (0.07, 0.07, 0.08))
        brush.ellipse(middle, 0.2, 0.1, 0.1, (0.65, 0.66, 0.68))


def boat(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """A sailing boat: wooden hull, mast, two white sails."""
    brush = Brush(canvas, x, y, size, segment)
    brush.shadow(0.5)
    hull = mix(brush.noise(rng, 2, 12), (0.36, 0.18, 0.10), (0.58, 0.34, 0.2))
    brush.polygon([(-0.5, 0.22), (0.55, 0.22), (0.36, 0), (-0.36, 0)], hull)
    brush.box(-0.015, 0.2, 0.015, 1, (0.3, 0.2, 0.12))
    brush.polygon([(0.04, 0.28), (0.46, 0.28), (0.04, 0.95)], (0.96, 0.95, 0.90))
    brush.polygon([(-0.04, 0.28), (-0.36, 0.28), (-0.04, 0.85)], (0.90, 0.88, 0.82))


def sun(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """A bright disc with a halo; the halo belongs to the sky."""
    brush = Brush(canvas, x, y, size, segment)
    halo = canvas.ellipse(x * brush.squeeze, y - size / 2, 0.9 * size * brush.squeeze, 0.9 * size)
    canvas.shade(halo, 1.12)
    brush.ellipse(0, 0.5, 0.5, 0.5, (1.0, rng.uniform(0.78, 0.93), rng.uniform(0.3, 0.55)))


def flower(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """A stem with leaves, seven petals and a yellow heart."""
    brush = Brush(canvas, x, y, size, segment)
    brush.line([(0, 0), (0.04, 0.6)], 0.06, (0.2, 0.5, 0.15))
    petal = vivid(rng, [0.92, 0.8, 0.96])
    for turn in np.arange(7) / 7 * 2 * np.pi:
        brush.ellipse(0.04 + 0.2 * np.cos(turn), 0.7 + 0.2 * np.sin(turn), 0.13, 0.13, petal)
    brush.ellipse(0.04, 0.7, 0.12, 0.12, (0.98, 0.82, 0.2))


def kite(canvas: Canvas, rng: Rng, x: float, y: float, size: float, segment: int) -> None:
    """A diamond in two colours, with a tail of bows."""
    brush = Brush(canvas, x, y, size, segment)
    first, second = vivid(rng, [0.83, 0.4]), vivid(rng, [0.16, 0.05])
    brush.line([(0, 0.3), (0.1, 0.12), (-0.04, 0)], 0.03, (0.95, 0.95, 0.95))
    for bow_x, bow_y in ((0.07, 0.18), (0.03, 0.05)):
        brush.ellipse(bow_x, bow_y, 0.07, 0.035, second)
    brush.polygon([(0, 0.3), (0.32, 0.7), (0, 1)], first)
    brush.polygon([(0, 0.3), (-0.32, 0.7), (0, 1)], second)
