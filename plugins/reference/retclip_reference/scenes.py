"""`reference.scenes`: labelled pictures that this plugin draws itself, so that every example runs with no download.

Four landscapes (meadow, beach, street, lake) in changing light; what stands in front hides what is behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retclip.data.drawn_scenes import Drawing, DrawnScenes
from retclip.data.scene_composition import Cast, compose
from retclip.data.scene_textures import TEXTURES
from retclip.plugin import SourceClass
from retclip_reference.things import THINGS

if TYPE_CHECKING:
    from retclip_reference import ScenesSettings

SPLITS = ("train", "val")  # a scene's random numbers start from (seed, split, index)
LANDSCAPES = (  # stuff from top to bottom
    ("sky", "mountain", "grass"), ("sky", "water", "sand"), ("sky", "brick wall", "road"),
    ("sky", "snow", "water", "grass"),
)  # fmt: skip
GUESTS = (  # the things of each landscape
    ("sun", "kite", "house", "tree", "flower", "ball"), ("sun", "kite", "boat", "ball"),
    ("tree", "car", "ball", "house"), ("sun", "house", "boat", "tree", "flower"),
)  # fmt: skip
MADE_OF = {"mountain": "rock"}  # where class and texture have two names
STUFF = {name: TEXTURES[MADE_OF.get(name, name)] for landscape in LANDSCAPES for name in landscape}
SIZES = (0.16, 0.42)  # of things, in shares of the shorter side
PER_THING = 1.6  # room of a thing, in squares of the largest one's size


def cast_of(index: int, height: int, width: int) -> Cast:
    """Who stands where; the landscapes take turns with `index`."""
    kind, side = index % len(LANDSCAPES), min(height, width)
    things = [thing_class for thing_class in THINGS if thing_class.name in GUESTS[kind]]
    low, high = (share * side for share in SIZES)
    stuff = {name: STUFF[name] for name in LANDSCAPES[kind]}
    return Cast(things, stuff, sizes=(low, high), room=PER_THING * high**2, landscape=True)


class Scenes(DrawnScenes):
    """An image source of drawn scenes, its classes stuff first."""

    def __init__(self, settings: ScenesSettings) -> None:
        split = SPLITS.index(settings.split)
        names = {**dict.fromkeys(STUFF, False), **dict.fromkeys((thing_class.name for thing_class in THINGS), True)}

        def draw(index: int) -> Drawing:
            rng = np.random.default_rng([settings.seed, split, index])
            return compose(rng, cast_of(index, settings.height, settings.width), settings.height, settings.width)

        super().__init__(
            "scenes",
            [SourceClass(name, is_thing, native_id=i) for i, (name, is_thing) in enumerate(names.items())],
            settings.count,
            settings.path,
            f"{settings.split}_{settings.seed}",
            draw,
        )
