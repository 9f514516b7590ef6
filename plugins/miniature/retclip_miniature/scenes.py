"""`miniature.scenes`: panoptic scenes of 205 classes of things and 14 of stuff, in two styles, deterministic by seed.

Read next: `composition.py` for what stands where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retclip.data.drawn_scenes import DrawnScenes
from retclip.plugin import SourceClass
from retclip_miniature.composition import Cast, compose
from retclip_miniature.glyphs import read_choice
from retclip_miniature.stuff import TEXTURES, UNSEEN

if TYPE_CHECKING:
    from retclip_miniature import ScenesSettings

SPLITS = ("train", "store", "val", "test", "demo")  # a scene's random numbers start from (split, seed, index)


def cast_of(who: str, style: str) -> Cast:
    """The classes that may appear: all, seen (by the fine-tuning) or unseen; style: photo or drawing."""
    wanted = {"all": (True, False), "seen": (True,), "unseen": (False,)}[who]
    things = [one for one in read_choice() if one.seen in wanted]
    return Cast(things, [name for name in TEXTURES if (name not in UNSEEN) in wanted], style)


class Scenes(DrawnScenes):
    """An image source of drawn scenes, its classes stuff first."""

    def __init__(self, settings: ScenesSettings) -> None:
        cast, split = cast_of(settings.classes, settings.style), SPLITS.index(settings.split)
        names = {**dict.fromkeys(cast.stuff, False), **dict.fromkeys((one.name for one in cast.things), True)}
        numbers = {name: i for i, name in enumerate((*TEXTURES, *(one.name for one in read_choice())), start=1)}

        def draw(index: int):  # noqa: ANN202  (see DrawnScenes)
            rng = np.random.default_rng([split, settings.seed, index])
            return compose(rng, cast, settings.height, settings.width)

        super().__init__(
            f"miniature-{settings.style}",
            [SourceClass(name, is_thing, native_id=numbers[name]) for name, is_thing in names.items()],
            settings.count,
            settings.path,
            f"{settings.style}_{settings.split}_{settings.seed}_{settings.classes}",
            draw,
            masks=settings.labels == "masks",
        )
