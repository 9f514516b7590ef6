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
    """An object with its mask.

    mask: (H, W) bool.
    is_crowd: whether the mask covers several objects that are not separated.
    area: pixels, as the annotation states it; None = not stated.
    """

    class_name: str
    is_thing: bool
    mask: NDArray[np.bool_]
    is_crowd: bool = False
    area: float | None = None


def painted(
    objects: Iterable[AnnotatedObject], size: tuple[int, int], tally: Tally | None = None
) -> PanopticSegmentation:
    """Return the objects as one map: crowds first, then from large to small, so that an object on another stays
    visible.

    Of objects that come one by one, only one mask of full size is held at a time. Object i, from 1 in the given order,
    has id i. An object without a visible pixel is missing in the map, not in the annotation's `objects`, which are
    whole. Other pixels are void.

    size: (H, W).
    tally: gets the number of objects without a visible pixel.
    """
    packed = [
        ObjectMask.of(annotated.mask, annotated.class_name, annotated.is_thing, annotated.is_crowd, annotated.area)
        for annotated in objects
    ]
    label_map = np.zeros(size, dtype=np.int32)
    for number, packed_mask in sorted(
        enumerate(packed, 1), key=lambda pair: (not pair[1].is_crowd, -pair[1].pixels, pair[0])
    ):
        label_map[packed_mask.box][packed_mask.within_box()] = number
    areas = np.bincount(label_map.ravel(), minlength=len(packed) + 1)
    segments = tuple(
        SegmentInfo(
            number, packed_mask.class_name, packed_mask.is_thing, int(areas[number]), is_crowd=packed_mask.is_crowd
        )
        for number, packed_mask in enumerate(packed, 1)
        if areas[number]
    )
    if tally is not None:
        tally.skip(NO_PIXEL, sum(not packed_mask.pixels for packed_mask in packed))
        tally.skip(
            HIDDEN, sum(bool(packed_mask.pixels) and not areas[number] for number, packed_mask in enumerate(packed, 1))
        )
    return PanopticSegmentation(label_map, segments, objects=AnnotatedObjects(tuple(packed)))
