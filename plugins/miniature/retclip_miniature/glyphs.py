"""The things of a scene: small pictures by two artists, a sheet each, and the class names that this project gave them.

`glyphs/choice.csv` has a class a line: its name, whether the fine-tuning may see it, and its glyphs in the sheets'
order. Licences: glyphs/LICENCES.md.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

FOLDER = Path(__file__).with_name("glyphs")
CHOICE = FOLDER / "choice.csv"
SIDE, COLUMNS = 64, 16  # pixels of a glyph, glyphs in a row of a sheet
SHEETS = ("noto", "twemoji")


@dataclass(frozen=True)
class GlyphClass:
    """A class of things. seen: the fine-tuning may see it. glyphs: the pictures' names; first: place of the first."""

    name: str
    seen: bool
    glyphs: tuple[str, ...]
    first: int


@cache
def read_choice() -> tuple[GlyphClass, ...]:
    """Every class, in the file's order, which is alphabetical."""
    classes: list[GlyphClass] = []
    index = 0
    with CHOICE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            glyphs = tuple(row["glyphs"].split())
            classes.append(GlyphClass(row["name"], row["seen"] == "yes", glyphs, index))
            index += len(glyphs)
    return tuple(classes)


@cache
def sheet(name: str) -> NDArray[np.uint8]:
    """(g, 64, 64, 4) uint8 RGBA: every glyph of an artist, `noto` or `twemoji`."""
    with PILImage.open(FOLDER / f"{name}.png") as file:
        pixels = np.asarray(file.convert("RGBA"))
    cells = pixels.reshape(pixels.shape[0] // SIDE, SIDE, COLUMNS, SIDE, 4).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 4)
    return cells[: sum(len(glyph_class.glyphs) for glyph_class in read_choice())]
