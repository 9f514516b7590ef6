"""Maps in which every segment has a key of its own, and the key says its class."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.file_bytes import ReadOnce
from retclip.data.readers.label_maps.map_pairs import MapPairs
from retclip.errors import DataError
from retclip.types import PanopticSegmentation, SegmentInfo

VOID = 0  # the key of pixels without a segment


class IdMapSource(MapPairs):
    """An ImageSource; a reader implements how keys are read, and each key's class."""

    @abstractmethod
    def keys(self, file: ReadOnce) -> NDArray[np.int64]:
        """Return (H, W) int64, each pixel's segment key, 0 = none. Raises DataError."""

    @abstractmethod
    def class_number(self, key: int) -> int:
        """Return the class number of a segment's key; a number of no class makes the segment void."""

    def is_foreign(self, key: int) -> bool:  # noqa: ARG002  (readers with numbers of their own look at the key)
        """Return whether the data set has no such key: then the map is damaged, or another data set's."""
        return False

    def is_crowd(self, key: int) -> bool:  # noqa: ARG002  (readers that know crowds look at the key)
        """Return whether a segment is a crowd region."""
        return False

    def numbers(self, file: ReadOnce) -> set[int]:
        """Return the class numbers of the map's keys. Raises DataError where all keys are foreign."""
        keys = np.unique(self.keys(file))
        foreign = self._foreign(keys, file)
        return {self.class_number(key) for key in keys.tolist() if key != VOID and key not in foreign}

    def truth(self, file: ReadOnce, photo: AnnotatedPhoto) -> PanopticSegmentation:
        """Return a segment for each key, in the keys' order. A foreign key costs its segment.

        Raises DataError where all keys are foreign.
        """
        keys, places, areas = np.unique(self.keys(file), return_inverse=True, return_counts=True)
        foreign = self._foreign(keys, file)
        for key, error in foreign.items():
            photo.fault(f"number {key} of {file}", error)
        ids = np.zeros(len(keys), np.int32)
        segments: list[SegmentInfo] = []
        for place, (key, area) in enumerate(zip(keys.tolist(), areas.tolist(), strict=True)):
            source_class = None if key == VOID or key in foreign else self._by_id.get(self.class_number(key))
            if source_class is not None:
                ids[place] = len(segments) + 1
                is_thing = source_class.is_thing is not False
                segments.append(
                    SegmentInfo(len(segments) + 1, source_class.name, is_thing, area, is_crowd=self.is_crowd(key))
                )
        return PanopticSegmentation(ids[places].astype(np.int32), tuple(segments))

    def _foreign(self, keys: NDArray[np.int64], file: ReadOnce) -> dict[int, DataError]:
        """Return the error of each foreign key of a map. Raises DataError where all keys are foreign."""
        expected, todo = f"numbers of this data set in {file}", "take maps and classes of one version"
        errors = {
            key: DataError(expected, f"{key}, class {self.class_number(key)}", todo)
            for key in keys.tolist()
            if key != VOID and self.is_foreign(key)
        }
        if errors and len(errors) == np.count_nonzero(keys != VOID):
            raise next(iter(errors.values()))
        return errors
