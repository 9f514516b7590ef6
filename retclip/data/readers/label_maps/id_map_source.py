"""Maps in which every segment has a key of its own, and the key says its class."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.images import ReadOnce
from retclip.data.readers.label_maps.map_pairs import MapPairs
from retclip.errors import DataError
from retclip.types import PanopticSegmentation, SegmentInfo

VOID = 0  # the key of pixels without a segment


class IdMapSource(MapPairs):
    """An ImageSource. A reader says how keys are read, and what a key means."""

    @abstractmethod
    def keys(self, file: ReadOnce) -> NDArray[np.int64]:
        """(H, W), a segment's key at each of its pixels, 0 where there is none. Raises DataError."""

    @abstractmethod
    def class_number(self, key: int) -> int:
        """The number of the class of a segment; one of no class makes it void."""

    def is_foreign(self, key: int) -> bool:  # noqa: ARG002  (readers with numbers of their own look at the key)
        """Whether the data set has no such key at all: then the map is damaged there, or another data set's."""
        return False

    def is_crowd(self, key: int) -> bool:  # noqa: ARG002  (readers that know crowds look at the key)
        """Whether a segment is several objects that nobody told apart."""
        return False

    def numbers(self, file: ReadOnce) -> set[int]:
        """The classes of its keys. Raises DataError where all of them are foreign."""
        keys = np.unique(self.keys(file))
        foreign = self._foreign(keys, file)
        return {self.class_number(key) for key in keys.tolist() if key != VOID and key not in foreign}

    def truth(self, file: ReadOnce, photo: AnnotatedPhoto) -> PanopticSegmentation:
        """A segment for each key, in the keys' order. A foreign key costs its segment, unless there is no other."""
        keys, places, areas = np.unique(self.keys(file), return_inverse=True, return_counts=True)
        foreign = self._foreign(keys, file)
        for key, error in foreign.items():
            photo.fault(f"number {key} of {file}", error)
        ids = np.zeros(len(keys), np.int32)
        segments: list[SegmentInfo] = []
        for place, (key, area) in enumerate(zip(keys.tolist(), areas.tolist(), strict=True)):
            one = None if key == VOID or key in foreign else self._by_id.get(self.class_number(key))
            if one is not None:
                ids[place] = len(segments) + 1
                thing = one.is_thing is not False
                segments.append(SegmentInfo(len(segments) + 1, one.name, thing, area, is_crowd=self.is_crowd(key)))
        return PanopticSegmentation(ids[places].astype(np.int32), tuple(segments))

    def _foreign(self, keys: NDArray[np.int64], file: ReadOnce) -> dict[int, DataError]:
        """The foreign ones of a map's different keys, and what is wrong with each. Raises DataError where there is no
        other."""
        expected, todo = f"numbers of this data set in {file}", "take maps and classes of one version"
        found = {
            key: DataError(expected, f"{key}, class {self.class_number(key)}", todo)
            for key in keys.tolist()
            if key != VOID and self.is_foreign(key)
        }
        if found and len(found) == np.count_nonzero(keys != VOID):
            raise next(iter(found.values()))
        return found
