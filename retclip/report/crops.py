"""Crops of stored and predicted segments, cut from the original photos after their identity has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.data import rle
from retclip.data.images import read_image, resized
from retclip.errors import DataError
from retclip.types import Image

MARGIN = 0.15  # of the box's longer side: some surroundings help a person to recognise a segment
CACHE_IMAGES = 8
FRAME, OUTLINE = 2, (20, 20, 24)  # pixels of a frame's line, and what it is set off with from a pale photo


class CropCutter:
    """Cuts crops, keeping the last few photos decoded."""

    def __init__(self, at_hand: Mapping[str, Image] | None = None) -> None:
        """at_hand: photos by their address that need not be read."""
        self._images: dict[str, NDArray[np.uint8] | None] = {}
        self._at_hand = at_hand or {}

    def cut(
        self, uri: str, sha256: str, box: tuple[int, int, int, int], mask: NDArray[np.bool_] | None = None
    ) -> NDArray[np.uint8] | None:
        """Return the box with a margin as (h, w, 3) uint8, faded outside `mask`; None where the photo is gone."""
        pixels = self._photo(uri, sha256)
        if pixels is None:
            return None
        height, width = pixels.shape[:2]
        x0, y0, x1, y1 = box
        margin = int(max(x1 - x0, y1 - y0) * MARGIN) + 2
        rows = slice(max(0, y0 - margin), min(height, y1 + margin))
        columns = slice(max(0, x0 - margin), min(width, x1 + margin))
        crop = pixels[rows, columns]
        if mask is None or mask.shape != pixels.shape[:2]:
            return crop
        inside = mask[rows, columns, None]
        return np.where(inside, crop, _faded(crop))

    def whole(
        self, uri: str, sha256: str, box: tuple[int, int, int, int], mask: NDArray[np.bool_] | None,
        colour: tuple[int, int, int], room: tuple[int, int],
    ) -> NDArray[np.uint8] | None:  # fmt: skip
        """Return the whole photo fitted into `room` (width, height), faded outside `mask`, with a frame around the box.

        None where the photo is gone.
        """
        pixels = self._photo(uri, sha256)
        if pixels is None:
            return None
        scale = min(room[0] / pixels.shape[1], room[1] / pixels.shape[0])
        height, width = (max(1, int(side * scale)) for side in pixels.shape[:2])
        small = resized(pixels, (height, width)).copy()
        if mask is not None and mask.shape == pixels.shape[:2]:
            rows, columns = ((np.arange(n) * full) // n for n, full in zip((height, width), mask.shape, strict=True))
            outside = ~mask[rows[:, None], columns]
            small[outside] = _faded(small[outside])
        x0, y0, x1, y1 = (round(edge * scale) for edge in box)
        inside = small[y0 : y1 + 1, x0 : x1 + 1].copy()
        for grown, line in ((FRAME + 1, OUTLINE), (FRAME, colour)):
            small[max(0, y0 - grown) : y1 + grown + 1, max(0, x0 - grown) : x1 + grown + 1] = line
        small[y0 : y1 + 1, x0 : x1 + 1] = inside
        return small

    def _photo(self, uri: str, sha256: str) -> NDArray[np.uint8] | None:
        cached = self._at_hand.get(uri)
        if cached is not None and cached.sha256 == sha256:
            return cached.pixels
        if uri not in self._images:
            try:
                image = read_image(Path(uri))
                self._images[uri] = image.pixels if image.sha256 == sha256 else None
            except DataError:
                self._images[uri] = None
            while len(self._images) > CACHE_IMAGES:
                self._images.pop(next(iter(self._images)))
        return self._images.get(uri)


def stored_mask(mask: tuple[bytes, int, int] | None) -> NDArray[np.bool_] | None:
    """Return (H, W) bool of what a store holds of a mask: run lengths, height, width; None where they are damaged."""
    if mask is None:
        return None
    counts, height, width = mask
    try:
        return rle.decode({"size": [height, width], "counts": counts.decode()})
    except (DataError, UnicodeDecodeError):
        return None


def _faded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (pixels * 0.35 + 160).astype(np.uint8)
