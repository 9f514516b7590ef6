"""`reference.scenes`: labelled pictures that this plugin draws itself, so that every example runs with no download.

Four landscapes (meadow, beach, street, lake) in changing light; what stands in front hides what is behind.
Read next: `composition.py` for what stands where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retclip.data.drawn_scenes import DrawnScenes
from retclip.plugin import SourceClass
from retclip_reference.composition import CLASSES, compose

if TYPE_CHECKING:
    from retclip_reference import ScenesSettings

SPLITS = ("train", "val")  # a scene's random numbers start from (seed, split, index)


class Scenes(DrawnScenes):
    """An image source of drawn scenes, its classes stuff first."""

    def __init__(self, settings: ScenesSettings) -> None:
        split = SPLITS.index(settings.split)
        super().__init__(
            "scenes",
            [SourceClass(name, is_thing, native_id=i) for i, (name, is_thing) in enumerate(CLASSES.items())],
            settings.count,
            settings.path,
            f"{settings.split}_{settings.seed}",
            lambda index: compose(
                np.random.default_rng([settings.seed, split, index]), index, settings.height, settings.width
            ),
        )
