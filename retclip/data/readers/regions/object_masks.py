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
from retclip.passed_over import CUT

SLACK = 1.0  # pixels that marks may reach out of a photo: programs count corners differently


def read_mask(segmentation: Any, photo: AnnotatedPhoto, where: str) -> NDArray[np.bool_]:
    """Return (H, W) bool, in the frame of the photo's annotation.

    segmentation: a list of polygons [x, y, x, y, ...] in pixels, or {"size", "counts"}. What reaches out of the photo
    is cut, and counted: the corners may be those of a larger copy.
    where: the record, for errors.

    Raises DataError.
    """
    if isinstance(segmentation, dict):
        try:
            mask = decode(segmentation)
        except DataError as error:
            raise DataError(f"{error.expected} in {where}", error.got, error.todo) from error
        photo.require_fit(mask.shape, f"a mask of the photo's size {photo.size} in {where}", "match photo and mask")
        return mask
    polygons = _polygons(segmentation, where)
    if any(_reaches_out(polygon, photo.size) for polygon in polygons):
        photo.tally.skip(CUT)
    return fill_polygons(polygons, photo.size)


def _reaches_out(polygon: list[float], size: tuple[int, int]) -> bool:
    """Return whether a corner lies more than SLACK outside the photo. size: (H, W)."""
    height, width = size
    x, y = polygon[::2], polygon[1::2]
    return min(*x, *y) < -SLACK or max(x) > width + SLACK or max(y) > height + SLACK


def _polygons(polygons: Any, where: str) -> list[list[float]]:
    """Return at least one polygon of at least three finite corners; the C code reads past the end of a shorter one."""
    if not isinstance(polygons, list) or not polygons or not all(isinstance(polygon, list) for polygon in polygons):
        todo = "complete `segmentation`; boxes alone are read by regions:PHOTOS?boxes=FILE"
        raise DataError(f"polygons or run lengths in {where}", brief(polygons), todo)
    for polygon in polygons:
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in polygon)
        if not numbers or len(polygon) < 6 or len(polygon) % 2 or max(map(abs, polygon)) > 1e6:
            got = f"{len(polygon)} values, first {polygon[:4]}"
            raise DataError(f"three or more corners x, y within the photo in {where}", got, "correct the polygon")
    if all(0 <= x <= 1 for polygon in polygons for x in polygon):  # not a pixel large
        todo = "multiply them by the photo's width and height"
        raise DataError(f"corners in pixels in {where}", f"fractions of 0 to 1, first {polygons[0][:4]}", todo)
    return polygons
