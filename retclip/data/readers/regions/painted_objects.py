"""Masks of single objects, which may overlap, painted into one panoptic annotation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.annotated_objects import AnnotatedObjects, ObjectMask
from retclip.passed_over import HIDDEN, NO_PIXEL, Tally
from retclip.types import PanopticSegmentation, SegmentInfo


@dataclass(frozen=True)
class AnnotatedObject:
    """mask: (H, W) bool. is_crowd: several objects in one mask, which nobody told apart. area: as the annotation states
    it, None where it does not."""

    class_name: str
    is_thing: bool
    mask: NDArray[np.bool_]
    is_crowd: bool = False
    area: float | None = None


def painted(
    objects: Iterable[AnnotatedObject], size: tuple[int, int], tally: Tally | None = None
) -> PanopticSegmentation:
    """Crowds first, then from large to small, so that what lies on another object stays visible. size: (H, W). Of
    objects that come one by one, only one mask of full size is held at a time.

    Object i (from 1, in the order given) has id i; one without a pixel, or that others hide wholly, is left out of the
    map and counted in `tally`, but not of the annotation's `objects`, which are whole. Pixels of none are void."""
    packed = [ObjectMask.of(one.mask, one.class_name, one.is_thing, one.is_crowd, one.area) for one in objects]
    label_map = np.zeros(size, dtype=np.int32)
    for number, one in sorted(enumerate(packed, 1), key=lambda pair: (not pair[1].is_crowd, -pair[1].pixels, pair[0])):
        label_map[one.box][one.within_box()] = number
    areas = np.bincount(label_map.ravel(), minlength=len(packed) + 1)
    segments = tuple(
        SegmentInfo(number, one.class_name, one.is_thing, int(areas[number]), is_crowd=one.is_crowd)
        for number, one in enumerate(packed, 1)
        if areas[number]
    )
    if tally is not None:
        tally.skip(NO_PIXEL, sum(not one.pixels for one in packed))
        tally.skip(HIDDEN, sum(bool(one.pixels) and not areas[number] for number, one in enumerate(packed, 1)))
    return PanopticSegmentation(label_map, segments, objects=AnnotatedObjects(tuple(packed)))
