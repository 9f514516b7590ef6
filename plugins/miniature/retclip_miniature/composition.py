"""What stands where in a scene: regions of stuff, then things one over the other, then the light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageFilter

from retclip.types import PanopticSegmentation, SegmentInfo
from retclip_miniature.glyphs import ThingClass
from retclip_miniature.stuff import TEXTURES, Floats, Rng, noise
from retclip_miniature.things import Thing, draw_thing

SMALLEST = 40  # visible pixels; what is smaller becomes void
LEAST_VISIBLE = 0.45  # of every thing: one that would hide more of another is not placed
ARTIST = {"photo": "noto", "drawing": "twemoji"}


@dataclass(frozen=True)
class Cast:
    """Who may appear: things, stuff; `style`: photo or drawing. sizes: of things, in pixels. room: pixels of the
    picture a thing, on average; a scene has one at least, where there are any."""

    things: Sequence[ThingClass]
    stuff: Sequence[str]
    style: str = "photo"
    sizes: tuple[float, float] = (40.0, 140.0)
    room: float = 13000.0


class Picture:
    """A scene while it is painted: pixels (H, W, 3) float32, labels (H, W) int32 and the name of each label."""

    def __init__(self, height: int, width: int) -> None:
        self.pixels: Floats = np.zeros((height, width, 3), np.float32)
        self.labels = np.zeros((height, width), np.int32)
        self.names: list[tuple[str, bool]] = []
        self.full: list[int] = [0]  # pixels of each label before anything hid it


def compose(rng: Rng, cast: Cast, height: int, width: int) -> tuple[NDArray[np.uint8], PanopticSegmentation]:
    """A picture (H, W, 3) uint8 and its annotation."""
    picture = Picture(height, width)
    _lay_stuff(rng, cast, picture)
    wanted = int(rng.poisson(height * width / cast.room))
    for _ in range(max(1, min(wanted, 12)) if cast.things else 0):
        low, high = np.log(cast.sizes)
        size = min(float(np.exp(rng.uniform(low, high))), 0.8 * min(height, width))
        kind = cast.things[int(rng.integers(len(cast.things)))]
        _place(rng, picture, kind.name, draw_thing(rng, kind, ARTIST[cast.style], size), cast.style)
    lit = _as_photo(rng, picture.pixels) if cast.style == "photo" else _as_drawing(picture)
    return (lit.clip(0, 1) * 255).round().astype(np.uint8), _annotation(picture)


def _lay_stuff(rng: Rng, cast: Cast, picture: Picture) -> None:
    """One to three regions, parted by wavy lines across the picture at any angle."""
    height, width = picture.labels.shape
    count = min(int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25])), len(cast.stuff))
    chosen = rng.choice(len(cast.stuff), count, replace=False)
    angle = rng.choice([0, 0, np.pi / 2, rng.uniform(-0.5, 0.5)])
    y, x = np.mgrid[:height, :width]
    along = ((y - height / 2) * np.cos(angle) + (x - width / 2) * np.sin(angle)) / max(height, width)
    along = along + 0.12 * rng.random() * (noise(rng, height, width, 40, 40) - 0.5)
    edges = np.sort(rng.uniform(-0.3, 0.3, count - 1))
    region = np.searchsorted(edges, along)
    for number, which in enumerate(chosen):
        name = cast.stuff[int(which)]
        texture = TEXTURES[name](rng, height, width) * rng.normal(1, 0.06, 3).astype(np.float32)
        picture.pixels = np.where((region == number)[..., None], texture, picture.pixels)
        picture.labels[region == number] = number + 1
        picture.names.append((name, False))
        picture.full.append(0)


def _place(rng: Rng, picture: Picture, name: str, thing: Thing, style: str) -> None:
    """Paint a thing somewhere inside, unless it would hide too much of another in each of a few places."""
    height, width = picture.labels.shape
    h, w = thing.cover.shape
    solid = thing.cover > 0.5
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
        _shade(rng, picture, thing.cover[inside], rows, columns)
    cover = thing.cover[inside][..., None]
    picture.pixels[rows, columns] = picture.pixels[rows, columns] * (1 - cover) + thing.colours[inside] * cover
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
    kept = np.isin(picture.labels, [one.id for one in segments])
    return PanopticSegmentation(np.where(kept, picture.labels, 0).astype(np.int32), segments)
