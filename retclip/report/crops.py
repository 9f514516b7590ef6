"""Crops of stored and predicted segments, cut from the original photos after their identity has been checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.data.images import read_image
from retclip.errors import DataError

MARGIN = 0.15  # of the box's longer side: some surroundings help a person to recognise a segment
CACHE_IMAGES = 8


class CropCutter:
    """Cuts crops, keeping the last few photos decoded."""

    def __init__(self) -> None:
        self._images: dict[str, NDArray[np.uint8] | None] = {}

    def cut(
        self, uri: str, sha256: str, box: tuple[int, int, int, int], mask: NDArray[np.bool_] | None = None
    ) -> NDArray[np.uint8] | None:
        """The box with a margin as (h, w, 3) uint8, what is outside `mask` faded; None where the photo is gone."""
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
        faded: NDArray[np.uint8] = np.where(inside, crop, (crop * 0.35 + 160).astype(np.uint8))
        return faded

    def _photo(self, uri: str, sha256: str) -> NDArray[np.uint8] | None:
        if uri not in self._images:
            try:
                image = read_image(Path(uri))
                self._images[uri] = image.pixels if image.sha256 == sha256 else None
            except DataError:
                self._images[uri] = None
            while len(self._images) > CACHE_IMAGES:
                self._images.pop(next(iter(self._images)))
        return self._images.get(uri)
