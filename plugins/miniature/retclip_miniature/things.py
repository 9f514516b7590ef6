"""Things of a scene: glyphs, turned, stretched, mirrored and recoloured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from retclip.data.scene_composition import Thing
from retclip.data.scene_textures import Floats, Rng
from retclip_miniature.glyphs import SIDE, GlyphClass, read_choice, sheet

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # how bright each channel looks (ITU-R BT.601)
TURN = 18.0  # degrees, standard deviation; one thing in eight lies anyhow
ARTIST = {"photo": "noto", "drawing": "twemoji"}  # of each style


@dataclass(frozen=True)
class GlyphThings:
    """A class of things in a style."""

    glyphs: GlyphClass
    style: str

    @property
    def name(self) -> str:
        """The class's name."""
        return self.glyphs.name

    def draw(self, rng: Rng, size: float) -> Thing:
        """One of the class's glyphs, its longer side `size` pixels before it is turned."""
        return draw_glyph(rng, self.glyphs, ARTIST[self.style], size)


def every_class(style: str) -> list[GlyphThings]:
    """All classes of things. style: photo or drawing."""
    return [GlyphThings(glyph_class, style) for glyph_class in read_choice()]


def draw_glyph(rng: Rng, kind: GlyphClass, artist: str, size: float) -> Thing:
    """One of the class's glyphs by that artist, its longer side `size` pixels before it is turned."""
    glyph = sheet(artist)[kind.first + int(rng.integers(len(kind.glyphs)))]
    if rng.random() < 0.5:
        glyph = glyph[:, ::-1]
    stretch = np.exp(rng.normal(0, 0.08))
    angle = rng.uniform(0, 360) if rng.random() < 0.125 else rng.normal(0, TURN)
    shape = (max(4, round(size * min(1, stretch))), max(4, round(size * min(1, 1 / stretch))))
    picture = PILImage.fromarray(_premultiplied(glyph)).resize(shape, PILImage.Resampling.BOX if size < SIDE else
                                                              PILImage.Resampling.BICUBIC)  # fmt: skip
    turned = np.asarray(picture.rotate(angle, PILImage.Resampling.BILINEAR, expand=True))
    pixels = turned.astype(np.float32) / np.float32(255)
    cover = pixels[..., 3]
    colours = (pixels[..., :3] / np.maximum(cover, 1e-3)[..., None]).clip(0, 1)
    return Thing(_recoloured(rng, colours), cover)


def _premultiplied(glyph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours times cover, so that resizing does not smear the colour of what is not there over the edge."""
    share = glyph[..., 3:].astype(np.float32) / 255
    return np.concatenate([(glyph[..., :3] * share).round().astype(np.uint8), glyph[..., 3:]], axis=-1)


def _recoloured(rng: Rng, colours: Floats) -> Floats:
    """Another light and another dye, within what leaves a thing recognisable."""
    grey = (colours @ GREY)[..., None]
    vivid = grey + (colours - grey) * np.float32(rng.uniform(0.6, 1.25))
    dye = rng.normal(1, 0.1, 3).astype(np.float32)
    contrast, brightness = np.float32(rng.uniform(0.75, 1.15)), np.float32(rng.uniform(-0.12, 0.08))
    return ((vivid * dye - 0.5) * contrast + 0.5 + brightness).clip(0, 1)
