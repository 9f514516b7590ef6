"""Masks of single objects, which may overlap, painted into one panoptic annotation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.types import PanopticSegmentation, SegmentInfo


@dataclass(frozen=True)
class AnnotatedObject:
    """mask: (H, W) bool. is_crowd: several objects in one mask, which nobody told apart."""

    class_name: str
    is_thing: bool
    mask: NDArray[np.bool_]
    is_crowd: bool = False


def painted(objects: Iterable[AnnotatedObject], size: tuple[int, int]) -> PanopticSegmentation:
    """Crowds first, then from large to small, so that what lies on another object stays visible. size: (H, W).

    Object i (from 1, in the order given) has id i; one that others hide wholly is left out. Pixels of none are void."""
    numbered = list(enumerate(objects, start=1))
    label_map = np.zeros(size, dtype=np.int32)
    for number, one in sorted(numbered, key=lambda pair: (not pair[1].is_crowd, -int(pair[1].mask.sum()), pair[0])):
        label_map[one.mask] = number
    areas = np.bincount(label_map.ravel(), minlength=len(numbered) + 1)
    segments = tuple(
        SegmentInfo(number, one.class_name, one.is_thing, int(areas[number]), is_crowd=one.is_crowd)
        for number, one in numbered
        if areas[number]
    )
    return PanopticSegmentation(label_map, segments)
