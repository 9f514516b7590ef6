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
    things = [one for one in truth.segments if one.is_thing]
    stuff = [one.class_name for one in truth.segments if not one.is_thing]
    total = truth.label_map.size
    said = [_thing(rng, one, total) for one in (things[int(i)] for i in rng.permutation(len(things)))]
    places = [name for name in stuff if rng.random() < 0.75]
    where = f" on {_listed(places)}" if said and places else ""
    listed = _listed(said or places or stuff) + where
    openings = OPENINGS[style]
    return openings[int(rng.integers(len(openings)))].format(listed)


def _thing(rng: Rng, one: SegmentInfo, total: int) -> str:
    share, said = one.area / total, rng.random() < 0.2
    if said and share < SMALL:
        return f"a small {one.class_name}"
    if said and share > LARGE:
        return f"a large {one.class_name}"
    return f"a {one.class_name}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
