"""Maps in which every segment has a key of its own, and the key says its class."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.data.map_pairs import MapPairs
from retclip.types import PanopticSegmentation, SegmentInfo

VOID = 0  # the key of pixels without a segment


class IdMapSource(MapPairs):
    """An ImageSource. A reader says how keys are read, and what a key means."""

    @abstractmethod
    def keys(self, file: Path) -> NDArray[np.int64]:
        """(H, W), a segment's key at each of its pixels, 0 where there is none. Raises DataError."""

    @abstractmethod
    def class_number(self, key: int) -> int:
        """The number of the class of a segment; one of no class makes it void."""

    def is_crowd(self, key: int) -> bool:  # noqa: ARG002  (readers that know crowds look at the key)
        """Whether a segment is several objects that nobody told apart."""
        return False

    def numbers(self, file: Path) -> set[int]:
        """The classes of its keys."""
        return {self.class_number(int(key)) for key in np.unique(self.keys(file)) if key != VOID}

    def truth(self, file: Path) -> PanopticSegmentation:
        """A segment for each key, in the keys' order."""
        keys, places, areas = np.unique(self.keys(file), return_inverse=True, return_counts=True)
        ids = np.zeros(len(keys), np.int32)
        segments: list[SegmentInfo] = []
        for place, (key, area) in enumerate(zip(keys.tolist(), areas.tolist(), strict=True)):
            one = self._by_id.get(self.class_number(key)) if key != VOID else None
            if one is not None:
                ids[place] = len(segments) + 1
                thing = one.is_thing is not False
                segments.append(SegmentInfo(len(segments) + 1, one.name, thing, area, is_crowd=self.is_crowd(key)))
        return PanopticSegmentation(ids[places].astype(np.int32), tuple(segments))
