"""Masks of single objects, which may overlap, painted into one panoptic annotation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

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


@dataclass(frozen=True)
class _Packed:
    """An object with its mask cut to its box and packed to bits, so that a photo's many objects take little memory.
    number: from 1, in the order given. area: pixels of the mask."""

    number: int
    class_name: str
    is_thing: bool
    is_crowd: bool
    area: int
    box: tuple[slice, slice]
    bits: NDArray[np.uint8]

    def mask(self) -> NDArray[np.bool_]:
        """Within the box."""
        height, width = (side.stop - side.start for side in self.box)
        return np.unpackbits(self.bits, count=height * width).view(np.bool_).reshape(height, width)


def painted(objects: Iterable[AnnotatedObject], size: tuple[int, int]) -> PanopticSegmentation:
    """Crowds first, then from large to small, so that what lies on another object stays visible. size: (H, W). Of
    objects that come one by one, only one mask of full size is held at a time.

    Object i (from 1, in the order given) has id i; one that others hide wholly is left out. Pixels of none are void."""
    packed = list(map(_packed, count(1), objects))
    label_map = np.zeros(size, dtype=np.int32)
    for one in sorted(packed, key=lambda one: (not one.is_crowd, -one.area, one.number)):
        label_map[one.box][one.mask()] = one.number
    areas = np.bincount(label_map.ravel(), minlength=len(packed) + 1)
    segments = tuple(
        SegmentInfo(one.number, one.class_name, one.is_thing, int(areas[one.number]), is_crowd=one.is_crowd)
        for one in packed
        if areas[one.number]
    )
    return PanopticSegmentation(label_map, segments)


def _packed(number: int, one: AnnotatedObject) -> _Packed:
    rows, columns = (np.flatnonzero(one.mask.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(0, 0),) * 2
    area = int(np.count_nonzero(one.mask))
    return _Packed(number, one.class_name, one.is_thing, one.is_crowd, area, box, np.packbits(one.mask[box]))
