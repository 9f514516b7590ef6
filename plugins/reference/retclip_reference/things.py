"""The things of `reference.scenes`: each a few flat shapes in a unit square, painted in turn.

Places are (x, y) from the upper left corner in shares of the thing's own width and height.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw

from retclip.data.scene_composition import Thing
from retclip.data.scene_textures import Rng

OVERSAMPLE = 4  # cover is the mean of 4 x 4 samples
SHADOW = 6  # pixels around a thing, on which its shadow falls
VARIED = 0.06  # standard deviation of a thing's light
Colour = tuple[float, float, float]  # RGB in [0, 1]


@dataclass(frozen=True)
class Part:
    """A polygon, or an ellipse in the box between two corners. colour: None, the one that each thing has of its own."""

    points: tuple[tuple[float, float], ...]
    colour: Colour | None = None
    ellipse: bool = False


@dataclass(frozen=True)
class ShapeThings:
    """A class of things. aspect: width over height. hues: near one of which a thing's own colour lies (0 red, 1/3
    green, 2/3 blue)."""

    name: str
    aspect: float
    hues: tuple[float, ...]
    parts: tuple[Part, ...]

    def draw(self, rng: Rng, size: float) -> Thing:
        """One of them, its longer side `size` pixels, mirrored or not, in a colour and light of its own."""
        width, height = (max(4, round(size * side / max(self.aspect, 1))) for side in (self.aspect, 1))
        hue = self.hues[int(rng.integers(len(self.hues)))] + rng.uniform(-0.02, 0.02)
        own = colorsys.hsv_to_rgb(hue % 1.0, rng.uniform(0.7, 0.95), rng.uniform(0.7, 0.95))
        picture = PILImage.new("RGB", (width * OVERSAMPLE, height * OVERSAMPLE))
        mask = PILImage.new("L", picture.size)
        for part in self.parts:
            corners = [(x * picture.width, y * picture.height) for x, y in part.points]
            for sheet, ink in ((picture, _ink(part.colour or own)), (mask, 255)):
                draw = ImageDraw.Draw(sheet)
                (draw.ellipse if part.ellipse else draw.polygon)(corners, fill=ink)
        cover = np.asarray(mask.reduce(OVERSAMPLE), np.float32) / np.float32(255)
        painted = np.asarray(picture.reduce(OVERSAMPLE), np.float32) / np.float32(255)
        colours = painted / np.maximum(cover, np.float32(0.05))[..., None]  # black was mixed in at the edge
        light = rng.normal(1, VARIED, 3).astype(np.float32)
        turn = slice(None, None, -1 if rng.random() < 0.5 else 1)
        around = (SHADOW, SHADOW)
        return Thing(
            np.pad((colours * light).clip(0, 1)[:, turn], (around, around, (0, 0))), np.pad(cover[:, turn], SHADOW)
        )


def _ink(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in colour)
    return red, green, blue


def _box(left: float, top: float, right: float, bottom: float, colour: Colour | None = None) -> Part:
    return Part(((left, top), (right, top), (right, bottom), (left, bottom)), colour)


def _oval(left: float, top: float, right: float, bottom: float, colour: Colour | None = None) -> Part:
    return Part(((left, top), (right, bottom)), colour, ellipse=True)


def _polygon(*points: tuple[float, float], colour: Colour | None = None) -> Part:
    return Part(points, colour)


WHITE, BLACK, WOOD, GLASS = (0.96, 0.96, 0.93), (0.08, 0.08, 0.09), (0.36, 0.22, 0.13), (0.2, 0.28, 0.36)
LEAF, STEM, HEART, TILE = (0.08, 0.3, 0.15), (0.2, 0.5, 0.15), (0.97, 0.83, 0.25), (0.52, 0.2, 0.15)

THINGS = (
    ShapeThings("ball", 1.0, (0.0, 0.08), (_oval(0, 0, 1, 1), _oval(0.18, 0, 0.82, 1, WHITE), _oval(0.37, 0, 0.63, 1))),
    ShapeThings("house", 1.3, (0.1, 0.12), (
        _box(0.08, 0.4, 0.92, 1), _polygon((0, 0.45), (0.25, 0), (0.75, 0), (1, 0.45), colour=TILE),
        _box(0.43, 0.66, 0.57, 1, WOOD), _box(0.18, 0.58, 0.32, 0.78, GLASS), _box(0.68, 0.58, 0.82, 0.78, GLASS),
    )),
    ShapeThings("tree", 0.7, (0.36,), (
        _box(0.42, 0.5, 0.58, 1, WOOD), _oval(0, 0.2, 0.62, 0.68, LEAF), _oval(0.38, 0.2, 1, 0.68, LEAF),
        _oval(0.18, 0, 0.82, 0.5, LEAF),
    )),
    ShapeThings("car", 2.2, (0.0, 0.13, 0.6, 0.98), (
        _polygon((0.22, 0.5), (0.32, 0), (0.66, 0), (0.8, 0.5)), _box(0.34, 0.08, 0.48, 0.46, GLASS),
        _polygon((0.52, 0.08), (0.64, 0.08), (0.72, 0.46), (0.52, 0.46), colour=GLASS), _box(0, 0.42, 1, 0.82),
        _oval(0.12, 0.6, 0.32, 1, BLACK), _oval(0.68, 0.6, 0.88, 1, BLACK),
    )),
    ShapeThings("boat", 1.1, (0.06,), (
        _polygon((0.05, 0.78), (1, 0.78), (0.82, 1), (0.2, 1), colour=WOOD),
        _polygon((0.54, 0.02), (0.96, 0.7), (0.54, 0.7), colour=WHITE),
        _polygon((0.46, 0.12), (0.46, 0.7), (0.1, 0.7), colour=WHITE), _box(0.485, 0, 0.515, 0.8, WOOD),
    )),
    ShapeThings("sun", 1.0, (0.13, 0.15), (_oval(0, 0, 1, 1),)),
    ShapeThings("flower", 0.6, (0.8, 0.92), (
        _box(0.45, 0.4, 0.55, 1, STEM), _oval(0, 0.13, 0.5, 0.43), _oval(0.5, 0.13, 1, 0.43), _oval(0.25, 0, 0.75, 0.3),
        _oval(0.25, 0.28, 0.75, 0.58), _oval(0.32, 0.19, 0.68, 0.39, HEART),
    )),
    ShapeThings("kite", 0.8, (0.55, 0.66), (
        _polygon((0.5, 0), (1, 0.36), (0.5, 0.36)), _polygon((0.5, 0.36), (0, 0.36), (0.5, 0.9)),
        _polygon((0.5, 0), (0, 0.36), (0.5, 0.36), colour=HEART),
        _polygon((0.5, 0.36), (1, 0.36), (0.5, 0.9), colour=HEART), _box(0.46, 0.85, 0.54, 1, WHITE),
    )),
)  # fmt: skip
