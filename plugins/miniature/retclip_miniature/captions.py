"""What a person would write under a scene: the things in it, mostly also where they are."""

from __future__ import annotations

from collections.abc import Sequence

from retclip.data.scene_textures import Rng
from retclip.types import PanopticSegmentation, SegmentInfo

OPENINGS = {
    "photo": ("a photo of {}.", "This is a photo of {}", "There is {} in the scene", "a picture of {}", "{}"),
    "drawing": ("a drawing of {}.", "a sketch of {}", "There is {} in the drawing", "{}"),
}
SMALL, LARGE = 0.03, 0.15  # of the picture: things smaller and larger than that may be called so


def caption(rng: Rng, truth: PanopticSegmentation, style: str = "photo") -> str:
    """One of many ways to say what the scene shows: every thing, in any order, and usually the stuff.

    style: photo or drawing. The same state of `rng` gives the same words."""
    things = [segment for segment in truth.segments if segment.is_thing]
    stuff = [segment.class_name for segment in truth.segments if not segment.is_thing]
    total = truth.label_map.size
    phrases = [_thing(rng, segment, total) for segment in (things[int(i)] for i in rng.permutation(len(things)))]
    backgrounds = [name for name in stuff if rng.random() < 0.75]
    where = f" on {_listed(backgrounds)}" if phrases and backgrounds else ""
    listed = _listed(phrases or backgrounds or stuff) + where
    openings = OPENINGS[style]
    return openings[int(rng.integers(len(openings)))].format(listed)


def _thing(rng: Rng, segment: SegmentInfo, total: int) -> str:
    share, with_size = segment.area / total, rng.random() < 0.2
    if with_size and share < SMALL:
        return f"a small {segment.class_name}"
    if with_size and share > LARGE:
        return f"a large {segment.class_name}"
    return f"a {segment.class_name}"


def _listed(phrases: Sequence[str]) -> str:
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)
