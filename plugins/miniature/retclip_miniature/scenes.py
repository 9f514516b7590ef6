"""`miniature.scenes`: panoptic scenes of 205 classes of things and 14 of stuff, in two styles, deterministic by seed.

Read next: `retclip.data.scene_composition` for what stands where.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from retclip.data.drawn_scenes import Drawing, DrawnScenes
from retclip.data.scene_composition import Cast, compose
from retclip.data.scene_textures import TEXTURES
from retclip.errors import DataError
from retclip.plugin import SourceClass
from retclip_miniature.glyphs import read_choice
from retclip_miniature.things import every_class

if TYPE_CHECKING:
    from retclip_miniature import ScenesSettings

UNSEEN = ("sand", "hedge", "tiled floor", "metal")  # stuff that the fine-tuning never sees
SPLITS = ("train", "store", "val", "test", "demo")  # a scene's random numbers start from (split, seed, index)


def cast_of(subset: str, style: str, only: Sequence[str] = ()) -> Cast:
    """The classes that may appear: all, seen (by the fine-tuning) or unseen; style: photo or drawing. only: of the
    things these. Raises DataError for a name that is none of them."""
    seen_flags = {"all": (True, False), "seen": (True,), "unseen": (False,)}[subset]
    classes = [thing_class for thing_class in every_class(style) if thing_class.glyphs.seen in seen_flags]
    unknown = set(only) - {thing_class.name for thing_class in classes}
    if unknown:
        names = ", ".join(thing_class.name for thing_class in classes)
        raise DataError("things of miniature.scenes", ", ".join(sorted(unknown)), f"choose from: {names}")
    classes = [thing_class for thing_class in classes if not only or thing_class.name in only]
    stuff = {name: texture for name, texture in TEXTURES.items() if (name not in UNSEEN) in seen_flags}
    return Cast(classes, stuff, style)


class Scenes(DrawnScenes):
    """An image source of drawn scenes, its classes stuff first."""

    def __init__(self, settings: ScenesSettings) -> None:
        cast, split = cast_of(settings.classes, settings.style, settings.things), SPLITS.index(settings.split)
        names = {
            **dict.fromkeys(cast.stuff, False),
            **dict.fromkeys((thing_class.name for thing_class in cast.things), True),
        }
        numbers = {
            name: i for i, name in enumerate((*TEXTURES, *(glyph_class.name for glyph_class in read_choice())), start=1)
        }

        def draw(index: int) -> Drawing:
            rng = np.random.default_rng([split, settings.seed, index])
            return compose(rng, cast, settings.height, settings.width)

        super().__init__(
            f"miniature-{settings.style}",
            [SourceClass(name, is_thing, native_id=numbers[name]) for name, is_thing in names.items()],
            settings.count,
            settings.path,
            _stem(settings),
            draw,
            masks=settings.labels == "masks",
        )


def _stem(settings: ScenesSettings) -> str:
    """Of the files' names: another choice of scenes has other names, so that one folder can hold them all."""
    parts = [settings.style, settings.split, str(settings.seed), settings.classes]
    if settings.things:
        parts.append(hashlib.sha256("\n".join(sorted(settings.things)).encode()).hexdigest()[:8])
    return "_".join(parts)
