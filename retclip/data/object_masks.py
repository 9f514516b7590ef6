"""An object's mask as COCO writes it: polygons, or run lengths, compressed or not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.data.rle import decode, fill_polygons
from retclip.errors import DataError


def read_mask(found: Any, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """(H, W) bool. found: a list of polygons [x, y, x, y, ...] in pixels, or {"size", "counts"}; size: (H, W) of the
    photo; where: the record, for errors. Raises DataError."""
    if isinstance(found, dict):
        try:
            mask = decode(found)
        except DataError as error:
            raise DataError(f"{error.expected} in {where}", error.got, error.todo) from error
        if mask.shape != size:
            raise DataError(f"a mask of the photo's size {size} in {where}", f"{mask.shape}", "match photo and mask")
        return mask
    return fill_polygons(_polygons(found, where), size)


def _polygons(found: Any, where: str) -> list[list[float]]:
    """At least one polygon of at least three finite corners. The C code would read past a shorter one's end."""
    if not isinstance(found, list) or not found or not all(isinstance(one, list) for one in found):
        raise DataError(f"polygons or run lengths in {where}", repr(found)[:60], "use a file with `segmentation`")
    for one in found:
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in one)
        if not numbers or len(one) < 6 or len(one) % 2 or max(map(abs, one)) > 1e6:
            got = f"{len(one)} values, first {one[:4]}"
            raise DataError(f"three or more corners x, y within the photo in {where}", got, "correct the polygon")
    return found
