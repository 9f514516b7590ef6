"""What stands where in a drawn scene: regions of stuff, then things one over the other, then the light.

Plugins that draw scenes bring the things, each of which paints itself; `drawn_scenes` makes a source of the pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageFilter

from retclip.data.scene_textures import Floats, Rng, Texture, noise
from retclip.types import PanopticSegmentation, SegmentInfo

SMALLEST = 40  # visible pixels; what is smaller becomes void
LEAST_VISIBLE = 0.45  # of every thing: one that would hide more of another is not placed


@dataclass(frozen=True, eq=False)
class Thing:
    """A thing's picture.

    colours: (h, w, 3) float32 in [0, 1].
    cover: (h, w) float32 in [0, 1], the share of a pixel that the thing hides.
    """

    colours: Floats
    cover: Floats


class ThingClass(Protocol):
    """A class of things that can paint itself."""

    @property
    def name(self) -> str:
        """The class's name."""

    def draw(self, rng: Rng, size: float) -> Thing:
        """One of them, its longer side about `size` pixels."""


@dataclass(frozen=True)
class Cast:
    """The possible content of a scene.

    things: each as likely as the others.
    stuff: the texture of each class, by its name.
    style: photo or drawing.
    sizes: of things, the least and the largest, in pixels.
    room: pixels of the picture per thing, on average; a scene has at least one thing, where there are any.
    landscape: all of the stuff, in its order from top to bottom; otherwise one to three of it, in any direction.
    """

    things: Sequence[ThingClass]
    stuff: Mapping[str, Texture]
    style: str = "photo"
    sizes: tuple[float, float] = (40.0, 140.0)
    room: float = 13000.0
    landscape: bool = False


class Picture:
    """A scene while it is painted: pixels (H, W, 3) float32, labels (H, W) int32 and the name of each label."""

    def __init__(self, height: int, width: int) -> None:
        self.pixels: Floats = np.zeros((height, width, 3), np.float32)
        self.labels = np.zeros((height, width), np.int32)
        self.names: list[tuple[str, bool]] = []
        self.full: list[int] = [0]  # pixels of each label before anything hid it


def compose(rng: Rng, cast: Cast, height: int, width: int) -> tuple[NDArray[np.uint8], PanopticSegmentation]:
    """Return a picture (H, W, 3) uint8 and its annotation."""
    picture = Picture(height, width)
    _lay_stuff(rng, cast, picture)
    count = int(rng.poisson(height * width / cast.room))
    for _ in range(max(1, min(count, 12)) if cast.things else 0):
        low, high = np.log(cast.sizes)
        size = min(float(np.exp(rng.uniform(low, high))), 0.8 * min(height, width))
        kind = cast.things[int(rng.integers(len(cast.things)))]
        _place(rng, picture, kind.name, kind.draw(rng, size), cast.style)
    lit = _as_photo(rng, picture.pixels) if cast.style == "photo" else _as_drawing(picture)
    return (lit.clip(0, 1) * 255).round().astype(np.uint8), _annotation(picture)


def _lay_stuff(rng: Rng, cast: Cast, picture: Picture) -> None:
    """Regions of stuff, parted by wavy lines."""
    height, width = picture.labels.shape
    names, region = (_bands if cast.landscape else _regions)(rng, cast, height, width)
    for number, name in enumerate(names):
        texture = cast.stuff[name](rng, height, width) * rng.normal(1, 0.06, 3).astype(np.float32)
        picture.pixels = np.where((region == number)[..., None], texture, picture.pixels)
        picture.labels[region == number] = number + 1
        picture.names.append((name, False))
        picture.full.append(0)


def _regions(rng: Rng, cast: Cast, height: int, width: int) -> tuple[list[str], NDArray[np.int64]]:
    """One to three of the stuff, across the picture at any angle; of each pixel (H, W) which of them it shows."""
    count = min(int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25])), len(cast.stuff))
    indices = rng.choice(len(cast.stuff), count, replace=False)
    angle = rng.choice([0, 0, np.pi / 2, rng.uniform(-0.5, 0.5)])
    y, x = np.mgrid[:height, :width]
    along = ((y - height / 2) * np.cos(angle) + (x - width / 2) * np.sin(angle)) / max(height, width)
    along = along + 0.12 * rng.random() * (noise(rng, height, width, 40, 40) - 0.5)
    edges = np.sort(rng.uniform(-0.3, 0.3, count - 1))
    names = list(cast.stuff)
    return [names[int(which)] for which in indices], np.searchsorted(edges, along)


def _bands(rng: Rng, cast: Cast, height: int, width: int) -> tuple[list[str], NDArray[np.int64]]:
    """All of the stuff from top to bottom, in bands of about the same height; of each pixel (H, W) which it shows."""
    count = len(cast.stuff)
    edges = (np.arange(1, count) + rng.uniform(-0.3, 0.3, count - 1)) / count
    down = np.arange(height)[:, None] / height + 0.1 * (noise(rng, height, width, height, width / 3) - 0.5)
    return list(cast.stuff), np.searchsorted(edges, down)


def _place(rng: Rng, picture: Picture, name: str, painter: Thing, style: str) -> None:
    """Paint a thing somewhere inside, unless it would hide too much of another in each of a few places."""
    height, width = picture.labels.shape
    h, w = painter.cover.shape
    solid = painter.cover > 0.5
    visible = np.bincount(picture.labels.ravel(), minlength=len(picture.full))
    for _ in range(6):
        top, left = (
            int(rng.integers(-side // 8, max(1, room - side + side // 8))) for side, room in ((h, height), (w, width))
        )
        rows, columns = slice(max(0, top), min(height, top + h)), slice(max(0, left), min(width, left + w))
        inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        hidden = np.bincount(picture.labels[rows, columns][solid[inside]], minlength=len(picture.full))
        if all(visible[n] - hidden[n] >= LEAST_VISIBLE * full for n, full in enumerate(picture.full) if full):
            break
    else:
        return
    if style == "photo":
        _shade(rng, picture, painter.cover[inside], rows, columns)
    cover = painter.cover[inside][..., None]
    picture.pixels[rows, columns] = picture.pixels[rows, columns] * (1 - cover) + painter.colours[inside] * cover
    picture.names.append((name, True))
    picture.labels[rows, columns][solid[inside]] = len(picture.names)
    picture.full.append(int(solid.sum()))


def _shade(rng: Rng, picture: Picture, cover: Floats, rows: slice, columns: slice) -> None:
    """The soft shadow of a thing, a little beside it."""
    down, across = (int(shift) for shift in rng.integers(-4, 5, 2))
    mask = PILImage.fromarray((np.roll(cover, (down, across), (0, 1)) * 255).astype(np.uint8))
    dark = np.asarray(mask.filter(ImageFilter.BoxBlur(2))).astype(np.float32) / 255
    picture.pixels[rows, columns] *= 1 - np.float32(rng.uniform(0.1, 0.5)) * dark[..., None]


def _as_photo(rng: Rng, pixels: Floats) -> Floats:
    """Light from one side, its colour, and the grain of a sensor."""
    height, width, _ = pixels.shape
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    side = 1 + np.float32(rng.normal(0, 0.12)) * y + np.float32(rng.normal(0, 0.12)) * x
    tint = rng.normal(1, 0.05, 3).astype(np.float32) * np.float32(rng.uniform(0.75, 1.08))
    lit: Floats = pixels * side[..., None] * tint + rng.standard_normal(pixels.shape, np.float32) * np.float32(0.018)
    return lit


def _as_drawing(picture: Picture) -> Floats:
    """Few flat colours, and a dark line around everything."""
    flat = (picture.pixels.clip(0, 1) * 5).round() / 5
    labels = picture.labels
    line = np.zeros(labels.shape, bool)
    line[1:] |= labels[1:] != labels[:-1]
    line[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return np.where(line[..., None], np.float32(0.1), 0.15 + 0.85 * flat)


def _annotation(picture: Picture) -> PanopticSegmentation:
    areas = np.bincount(picture.labels.ravel(), minlength=len(picture.names) + 1)
    segments = tuple(
        SegmentInfo(id=number, class_name=name, is_thing=is_thing, area=int(areas[number]))
        for number, (name, is_thing) in enumerate(picture.names, start=1)
        if areas[number] >= SMALLEST
    )
    visible = np.isin(picture.labels, [segment.id for segment in segments])
    return PanopticSegmentation(np.where(visible, picture.labels, 0).astype(np.int32), segments)
