"""Objects as they were annotated: whole masks that may overlap, of which a panoptic map shows only what lies on top.

Average precision is counted against these. Of some data sets an annotation also says which classes were looked for:
LVIS annotates each photo for a few of its classes, and judges predictions of no others.
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
    """One object's whole mask, kept small: a photo may have thousands.

    class_name: as the annotation calls it.
    is_thing: whether its class can be counted.
    is_crowd: several objects in one mask, which nobody told apart.
    area: square pixels, as the annotation states it, else the mask's pixels.
    size: (H, W) of the photo.
    box: rows and columns that hold the mask.
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
        """Of a mask (H, W) bool. area: None = the mask's pixels."""
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else (slice(0, 0),) * 2
        pixels = mask[box].ravel()
        ends = np.concatenate([np.flatnonzero(np.diff(pixels, prepend=False)), [pixels.size]])
        runs = np.diff(ends, prepend=0).astype(np.int32)
        stated = float(np.count_nonzero(pixels)) if area is None else area
        return cls(class_name, is_thing, is_crowd, stated, (mask.shape[0], mask.shape[1]), box, runs)

    @property
    def pixels(self) -> int:
        """How many the mask has."""
        return int(self.runs[1::2].sum())

    def within_box(self) -> NDArray[np.bool_]:
        """The mask (h, w) within its box."""
        height, width = (side.stop - side.start for side in self.box)
        return np.repeat(np.arange(len(self.runs)) % 2 == 1, self.runs).reshape(height, width)

    def mask(self) -> NDArray[np.bool_]:
        """The mask (H, W)."""
        mask = np.zeros(self.size, dtype=np.bool_)
        mask[self.box] = self.within_box()
        return mask


@dataclass(frozen=True, eq=False)
class AnnotatedObjects:
    """What an annotation says of the single objects of a photo.

    objects: every annotated one, hidden or not.
    absent: classes that were looked for and are not there; None where every class of the data set was looked for.
    incomplete: classes of which more objects are there than are annotated.
    uncounted: why no figure can be counted against them; empty where one can.
    """

    objects: tuple[ObjectMask, ...] = ()
    absent: frozenset[str] | None = None
    incomplete: frozenset[str] = field(default_factory=frozenset)
    uncounted: str = ""

    def renamed(self, name_of: Callable[[str], str | None]) -> AnnotatedObjects:
        """With other class names. name_of: a class's new name, None for one that is left out."""
        renamed = ((annotated_object, name_of(annotated_object.class_name)) for annotated_object in self.objects)
        objects = tuple(
            replace(annotated_object, class_name=name) for annotated_object, name in renamed if name is not None
        )
        absent = None if self.absent is None else _names(self.absent, name_of)
        return replace(self, objects=objects, absent=absent, incomplete=_names(self.incomplete, name_of))

    def moved(self, change: MaskChange) -> AnnotatedObjects:
        """With every mask changed alike, as a photo that is turned. change: (H, W) bool to another."""
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
