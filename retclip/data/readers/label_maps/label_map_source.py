"""Maps of one byte per pixel, a class each. Of a thing class, each 8-connected component stands in for an instance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.file_bytes import ReadOnce
from retclip.data.images import read_png
from retclip.data.readers.label_maps.map_pairs import MapPairs, MapSettings, Pairs
from retclip.errors import DataError
from retclip.passed_over import Tally
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo

USUAL_VOID = 255
SMALL = "components below min_area"
EIGHT = np.ones((3, 3), dtype=bool)


class LabelMapSettings(MapSettings):
    """Settings of a source of label maps."""

    min_area: int = Field(0, ge=0, description="pixels below which a component of a thing becomes void")
    components: bool = Field(True, description="split things into connected components")


class LabelMapSource(MapPairs):
    """An ImageSource.

    void: the value of pixels without a class; None = 255, unless that is a class.
    """

    strange = "complete the class list; if {number} is void, say so: `void_id` in classes.json"  # what cures one

    def __init__(self, name: str, root: Path, classes: Sequence[SourceClass], void: int | None, pairs: Pairs,
                 settings: LabelMapSettings) -> None:  # fmt: skip
        super().__init__(name, root, classes, pairs, settings)
        self.void, self.settings = void, settings

    def numbers(self, file: ReadOnce) -> set[int]:
        """Return the values of a map's pixels, void left out."""
        return set(np.unique(_values(file)).tolist()) - {self._void()}

    def reading(self) -> Any:
        """Return the void value, and the settings of components."""
        return [self.void, self.settings.min_area, self.settings.components]

    def _void(self) -> int | None:
        return USUAL_VOID if self.void is None and USUAL_VOID not in self._by_id else self.void

    def truth(self, file: ReadOnce, photo: AnnotatedPhoto) -> PanopticSegmentation:
        """Return the components of each class's pixels. An id without a class costs its pixels.

        Raises DataError where no id has a class.
        """
        classes = _values(file)
        present = set(np.unique(classes).tolist()) - {self._void()}
        for number in sorted(present - self._by_id.keys()):
            error = DataError(f"ids of the class list in {file}", f"{number}", self.strange.format(number=number))
            if present.isdisjoint(self._by_id):
                raise error
            photo.fault(f"id {number} of {file}", error)
        return self._segments(classes, photo.tally)

    def _segments(self, classes: NDArray[np.uint8], tally: Tally) -> PanopticSegmentation:
        label_map = np.zeros(classes.shape, dtype=np.int32)
        infos: list[SegmentInfo] = []
        for native_id in sorted(set(np.unique(classes).tolist()) & self._by_id.keys()):
            source_class, pixels = self._by_id[native_id], classes == native_id
            parts = np.ones(np.count_nonzero(pixels), dtype=np.int32)  # the component of each of its pixels
            if source_class.is_thing and self.settings.components:
                from scipy import ndimage

                parts = ndimage.label(pixels, structure=EIGHT)[0][pixels]
            areas = np.bincount(parts)
            large = np.flatnonzero(areas >= max(1, self.settings.min_area if source_class.is_thing else 1))
            tally.skip(SMALL, int(np.count_nonzero(areas)) - len(large))
            ids = np.zeros(len(areas), dtype=np.int32)  # by component: there may be more than one can compare with
            ids[large] = np.arange(len(infos) + 1, len(infos) + 1 + len(large))
            label_map[pixels] = ids[parts]
            infos += [
                SegmentInfo(int(ids[n]), source_class.name, source_class.is_thing is not False, int(areas[n]))
                for n in large
            ]
        return PanopticSegmentation(label_map, tuple(infos))


def _values(file: ReadOnce) -> NDArray[np.uint8]:
    """Return (H, W) uint8, each pixel's class number. Raises DataError for a map of colours."""
    values = read_png(file)
    if values.ndim != 2:
        raise DataError(f"one id per pixel in {file}", f"shape {values.shape}", "save it as 8-bit grey")
    return values
