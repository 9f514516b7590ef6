"""Annotated objects with their complete masks, which may overlap; a panoptic map shows only what lies on top.

Average precision is counted against these. In some data sets an annotation also states which classes were verified:
LVIS annotates each photo for a few of its classes, and ignores predictions of others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

MaskChange = Callable[[NDArray[np.bool_]], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class ObjectMask:
    """One object's complete mask in little memory: a photo may have thousands.

    class_name: as annotated.
    is_thing: whether its class is countable.
    is_crowd: whether the mask covers several objects that are not separated.
    area: pixels, as the annotation states it, else those of the mask.
    size: (H, W) of the photo.
    box: rows and columns that contain the mask.
    runs: (m,) lengths of 0s and 1s in turn, 0s first, row by row within the box.
    """

    class_name: str
    is_thing: bool
    is_crowd: bool
    area: float
    size: tuple[int, int]
    box: tuple[slice, slice]
    runs: NDArray[np.int32]

    @classmethod
    def of(cls, mask: NDArray[np.bool_], class_name: str, is_thing: bool = True, is_crowd: bool = False,
           area: float | None = None) -> Self:  # fmt: skip
        """Return the record of a mask.

        mask: (H, W) bool.
        area: None = the mask's pixels.
        """
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(0, 0),) * 2
        pixels = mask[box].ravel()
        ends = np.concatenate([np.flatnonzero(np.diff(pixels, prepend=False)), [pixels.size]])
        runs = np.diff(ends, prepend=0).astype(np.int32)
        stated = float(np.count_nonzero(pixels)) if area is None else area
        return cls(class_name, is_thing, is_crowd, stated, (mask.shape[0], mask.shape[1]), box, runs)

    @property
    def pixels(self) -> int:
        """Return the number of the mask's pixels."""
        return int(self.runs[1::2].sum())

    def within_box(self) -> NDArray[np.bool_]:
        """Return the mask (h, w) bool within its box."""
        height, width = (side.stop - side.start for side in self.box)
        return np.repeat(np.arange(len(self.runs)) % 2 == 1, self.runs).reshape(height, width)

    def mask(self) -> NDArray[np.bool_]:
        """Return the mask (H, W) bool."""
        mask = np.zeros(self.size, dtype=np.bool_)
        mask[self.box] = self.within_box()
        return mask


@dataclass(frozen=True, eq=False)
class AnnotatedObjects:
    """The annotated objects of a photo.

    objects: every annotated one, hidden or not.
    absent: classes verified to be absent; None where every class of the data set was verified.
    incomplete: classes of which not every object is annotated.
    uncounted: why no average precision can be counted against them; empty where it can.
    """

    objects: tuple[ObjectMask, ...] = ()
    absent: frozenset[str] | None = None
    incomplete: frozenset[str] = field(default_factory=frozenset)
    uncounted: str = ""

    def renamed(self, name_of: Callable[[str], str | None]) -> AnnotatedObjects:
        """Return the objects with other class names.

        name_of: returns a class's new name, None for one that is left out.
        """
        renamed = ((annotated_object, name_of(annotated_object.class_name)) for annotated_object in self.objects)
        objects = tuple(
            replace(annotated_object, class_name=name) for annotated_object, name in renamed if name is not None
        )
        absent = None if self.absent is None else _names(self.absent, name_of)
        return replace(self, objects=objects, absent=absent, incomplete=_names(self.incomplete, name_of))

    def moved(self, change: MaskChange) -> AnnotatedObjects:
        """Return the objects with every mask transformed, as those of a photo that is rotated.

        change: maps a mask (H, W) bool to another.
        """
        objects = (
            ObjectMask.of(
                change(annotated_object.mask()),
                annotated_object.class_name,
                annotated_object.is_thing,
                annotated_object.is_crowd,
                annotated_object.area,
            )
            for annotated_object in self.objects
        )
        return replace(self, objects=tuple(objects))


def _names(names: frozenset[str], name_of: Callable[[str], str | None]) -> frozenset[str]:
    return frozenset(name for name in map(name_of, names) if name is not None)
