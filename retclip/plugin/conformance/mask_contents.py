"""Whether a proposer's masks lie where the photo's contents do.

A bright rectangle lies on a plain photo. Where masks cover not its place but the one that a mirror, an exchange of rows
and columns, padding or a crop makes of it, they lie elsewhere. Masks that are the same without the rectangle (stripes),
and those that cover neither place (random weights), are not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from retclip.algorithms.mask_pooling import area_weights
from retclip.errors import ContractBroken
from retclip.plugin.conformance.examples import as_image
from retclip.types import Image

HEIGHT, WIDTH = 96, 160
PLACES = ((0.1, 0.3, 0.45, 0.46), (0.52, 0.56, 0.83, 0.68))  # y, x, y, x as shares of two photos; no mirror of itself
COVERED = 0.6  # intersection over union of another place and the masks that lie mostly in it
CLEARLY = 0.6  # of that, which the rectangle's own place must stay below
Place = tuple[float, float, float, float]

ELSEWHERE: Mapping[str, Callable[[Place], Place]] = {
    "mirrored left to right": lambda p: (p[0], 1 - p[3], p[2], 1 - p[1]),
    "mirrored top to bottom": lambda p: (1 - p[2], p[1], 1 - p[0], p[3]),
    "turned by half a turn": lambda p: (1 - p[2], 1 - p[3], 1 - p[0], 1 - p[1]),
    "with rows and columns exchanged": lambda p: (p[1], p[0], p[3], p[2]),
    "as on the photo padded to a square": lambda p: (p[0] * HEIGHT / WIDTH, p[1], p[2] * HEIGHT / WIDTH, p[3]),
    "as on the photo cut to a square": lambda p: (p[0], _cut(p[1]), p[2], _cut(p[3])),
}


def _cut(x: float) -> float:
    return min(1.0, max(0.0, (x - 0.5) * WIDTH / HEIGHT + 0.5))


def photos() -> list[Image]:
    """Plain photos, each with a bright rectangle at one of the places, and a last one without."""
    return [_photo(place) for place in PLACES] + [_photo(None)]


def _photo(place: Place | None) -> Image:
    pixels = np.full((HEIGHT, WIDTH, 3), (40, 70, 50), dtype=np.uint8)
    if place is not None:
        pixels[_at(place)] = (240, 200, 60)
    return as_image(pixels)


def check_contents(several: Sequence[Tensor]) -> str | None:
    """Check the masks (n, y, x) of each of `photos()`.

    Returns why they cannot be judged, None where they can. Raises ContractBroken where they lie elsewhere.
    """
    *shown, plain = several
    if any(masks.shape == plain.shape and torch.equal(masks, plain) for masks in shown) or not all(map(len, shown)):
        return "its masks do not follow what is on these photos"
    own = _mean_cover(shown, PLACES)
    elsewhere = {what: _mean_cover(shown, [change(place) for place in PLACES]) for what, change in ELSEWHERE.items()}
    what = max(elsewhere, key=lambda name: elsewhere[name])
    if elsewhere[what] >= COVERED and own < CLEARLY * elsewhere[what]:
        todo = "give them over the whole photo, rows of masks for rows of the photo"
        raise ContractBroken("masks that lie where the photo's contents do", f"masks {what}", todo)
    return None


def _mean_cover(shown: Sequence[Tensor], places: Sequence[Place]) -> float:
    return sum(cover(masks, place) for masks, place in zip(shown, places, strict=True)) / len(shown)


def cover(masks: Tensor, place: Place) -> float:
    """Return the intersection over union of a rectangle and the masks that lie mostly within it, in [0, 1]."""
    shown = torch.zeros(1, HEIGHT, WIDTH)
    shown[0][_at(place)] = 1
    own = area_weights(shown, (masks.shape[1], masks.shape[2]))[0].to(masks.device)  # (y, x) share of each cell
    areas, within = masks.float().sum(dim=(1, 2)), (masks.float() * own).sum(dim=(1, 2))  # (n,)
    inside = masks.float()[within > areas / 2]
    if not len(inside):
        return 0.0
    union = inside.amax(dim=0)
    return float(torch.minimum(union, own).sum() / torch.maximum(union, own).sum())


def _at(place: Place) -> tuple[slice, slice]:
    y0, x0, y1, x1 = place
    return slice(round(y0 * HEIGHT), round(y1 * HEIGHT)), slice(round(x0 * WIDTH), round(x1 * WIDTH))
