"""A photo while its annotation is read: the frame that the annotation lies in, and what of it is passed over.

A photo is decoded upright. Its annotation was made on the upright photo, as viewers show it, or on the pixels as they
lie in the file, as programs that know no EXIF see them, and no format says which. The setting `orientation` decides for
every reader. Where a size that the annotation states tells the two apart, it must agree; where nothing does, the photo
is counted, so that nobody learns too late that masks lie on other pixels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field

from retclip.data.orientation import SWAPPED, TURNS, turned, turned_corner, turned_point
from retclip.errors import DataError
from retclip.passed_over import BAD_OBJECTS, TURNED_STORED, TURNED_UPRIGHT, Tally
from retclip.plugin.contracts import Settings
from retclip.regions import Point, Region
from retclip.types import Image, PanopticSegmentation

Frame = Literal["upright", "stored"]


class FrameSettings(Settings):
    """Settings of every source of masks, boxes and points."""

    orientation: Frame = Field(
        "upright",
        description="how annotations of photos with an EXIF orientation lie: upright, or stored as in the file",
    )


class AnnotatedPhoto:
    """One photo's reading. size: (H, W) of the frame in which its annotation lies."""

    def __init__(self, image: Image, frame: Frame) -> None:
        self.image, self.frame = image, frame
        self.tally = Tally()
        height, width = image.size
        self._is_turned = frame == "stored" and image.orientation in SWAPPED
        self.size = (width, height) if self._is_turned else (height, width)
        self._is_certain = image.orientation not in TURNS

    def fits(self, size: tuple[int, int]) -> bool:
        """Whether something of the annotation has the photo's size. size: (H, W). Where the frames differ in size, one
        that fits says which it was."""
        if size == self.size:
            self._is_certain |= self.image.orientation in SWAPPED and size[0] != size[1]
        return size == self.size

    def require_fit(self, size: tuple[int, ...], expected: str, otherwise: str) -> None:
        """Check that something of the annotation has the photo's size.

        size: (H, W). expected: for the error. otherwise: its cure where the photo's orientation is not the reason.
        Raises DataError.
        """
        height, width = size
        if not self.fits((height, width)):
            raise DataError(expected, f"{(height, width)}", self.cure((height, width), otherwise))

    def fits_shape(self, size: tuple[int, int]) -> bool:
        """As `fits`, of something that was drawn on a copy of another size: to a pixel of the photo's aspect."""
        right = _alike(size, self.size)
        if right and not _alike(size, self.size[::-1]):
            self._is_certain |= self.image.orientation in SWAPPED
        return right

    def cure_shape(self, size: tuple[int, int], otherwise: str) -> str:
        """As `cure`, for `fits_shape`."""
        return self.cure(self.size[::-1] if _alike(size, self.size[::-1]) else size, otherwise)

    def cure(self, size: tuple[int, int], otherwise: str) -> str:
        """What to do about an annotation of another size."""
        if self.image.orientation not in SWAPPED or size != self.size[::-1]:
            return otherwise
        right, where = ("upright", "on the upright photo") if self.frame == "stored" else ("stored", "as the file lies")
        return f"the photo has an EXIF orientation, and the annotation was made {where}: set orientation={right}"

    def fault(self, record: str, error: Exception, reason: str = BAD_OBJECTS) -> None:
        """List an object that cannot be read.

        record: the object's place.
        """
        self.tally.fault(reason, record, self.image.uri, error)

    def upright_region(self, region: Region) -> Region:
        """Return a region of the annotation's frame as it lies upright."""
        orientation = self.image.orientation
        if self.frame == "upright" or orientation not in TURNS:
            return region
        points = tuple(
            Point(*turned_point(point.x, point.y, self.size, orientation), positive=point.positive)
            for point in region.points
        )
        if region.box is None:
            return replace(region, points=points)
        corners = (turned_corner(x, y, self.size, orientation) for x, y in (region.box[:2], region.box[2:]))
        (x0, x1), (y0, y1) = (sorted(side) for side in zip(*corners, strict=True))
        return replace(region, box=(x0, y0, x1, y1), points=points)

    def annotated(self, truth: PanopticSegmentation | None, **more: Any) -> Image:
        """The photo with its annotation turned upright. more: other fields of `Image`, upright already."""
        if not self._is_certain:
            self.tally.assume(TURNED_STORED if self.frame == "stored" else TURNED_UPRIGHT)
        if truth is not None and self.frame == "stored":
            turn = partial(turned, orientation=self.image.orientation)
            objects = None if truth.objects is None else truth.objects.moved(turn)
            truth = replace(truth, label_map=np.ascontiguousarray(turn(truth.label_map)), objects=objects)
        return replace(self.image, truth=truth, passed_over=self.tally.total, **more)


def frame_digest(frame: Frame) -> list[str]:
    """Return the setting's part of an annotation's digest: nothing for the default."""
    return [] if frame == "upright" else [frame]


def _alike(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Return whether one size is the other scaled, each side to a whole number of pixels."""
    return abs(first[0] * second[1] - first[1] * second[0]) < max(sum(first), sum(second))
