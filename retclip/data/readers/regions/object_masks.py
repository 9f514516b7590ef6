"""An object's mask as COCO writes it: polygons, or run lengths, compressed or not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.rle import decode, fill_polygons
from retclip.errors import DataError
from retclip.escaping import brief


def read_mask(found: Any, photo: AnnotatedPhoto, where: str) -> NDArray[np.bool_]:
    """(H, W) bool, in the frame of the photo's annotation. found: a list of polygons [x, y, x, y, ...] in pixels, or
    {"size", "counts"}; where: the record, for errors. Raises DataError."""
    if isinstance(found, dict):
        try:
            mask = decode(found)
        except DataError as error:
            raise DataError(f"{error.expected} in {where}", error.got, error.todo) from error
        photo.require_fit(mask.shape, f"a mask of the photo's size {photo.size} in {where}", "match photo and mask")
        return mask
    return fill_polygons(_polygons(found, where), photo.size)


def _polygons(found: Any, where: str) -> list[list[float]]:
    """At least one polygon of at least three finite corners. The C code would read past a shorter one's end."""
    if not isinstance(found, list) or not found or not all(isinstance(one, list) for one in found):
        todo = "complete `segmentation`; boxes alone are read by regions:PHOTOS?boxes=FILE"
        raise DataError(f"polygons or run lengths in {where}", brief(found), todo)
    for one in found:
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in one)
        if not numbers or len(one) < 6 or len(one) % 2 or max(map(abs, one)) > 1e6:
            got = f"{len(one)} values, first {one[:4]}"
            raise DataError(f"three or more corners x, y within the photo in {where}", got, "correct the polygon")
    if all(0 <= x <= 1 for one in found for x in one):  # not a pixel large
        todo = "multiply them by the photo's width and height"
        raise DataError(f"corners in pixels in {where}", f"fractions of 0 to 1, first {found[0][:4]}", todo)
    return found
