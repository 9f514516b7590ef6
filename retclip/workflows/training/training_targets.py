"""Training targets from an annotation: a mask for every thing, one for every stuff class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.names import name_key
from retclip.plugin.training import MaskTargets
from retclip.types import SegmentInfo, Vocabulary

NONE = -1


@dataclass(frozen=True, eq=False)
class IndexedTargets:
    """Masks that do not overlap, in little memory.

    index: (H, W) int16, the index of the mask a pixel belongs to, -1 = none.
    classes: (m,) int64 index into the vocabulary.
    """

    index: NDArray[np.int16]
    classes: NDArray[np.int64]

    def on(self, device: str) -> MaskTargets:
        """Return the m masks, (m, H, W) bool, with their classes, (m,) int64.

        device: torch's name of it.
        """
        index = torch.from_numpy(self.index).to(device)
        numbers = torch.arange(len(self.classes), dtype=torch.int16, device=device)
        return MaskTargets(index[None] == numbers[:, None, None], torch.from_numpy(self.classes).to(device))


def class_rows(vocabulary: Vocabulary) -> dict[str, int]:
    """Return the class index by the key of the class's name."""
    return {name_key(name): row for row, name in enumerate(vocabulary.names)}


def targets_of(labels: NDArray[np.int32], segments: Sequence[SegmentInfo], rows: Mapping[str, int]) -> IndexedTargets:
    """Return the targets: things in their order, then stuff, merged by class.

    Crowd regions, classes without a row and segments without a pixel are in none of them.

    labels: (H, W) ids of segments, 0 = void.
    rows: class index by the key of the class's name.
    """
    ids_in_crop = set(np.unique(labels).tolist())
    visible = [
        (segment, rows.get(name_key(segment.class_name)))
        for segment in segments
        if segment.id in ids_in_crop and not segment.is_crowd
    ]
    number_of: dict[int, int] = {}  # segment id -> mask
    classes: list[int] = []
    for segment, row in visible:
        if row is not None and segment.is_thing:
            number_of[segment.id] = len(classes)
            classes.append(row)
    stuff: dict[int, int] = {}  # class -> mask
    for segment, row in visible:
        if row is not None and not segment.is_thing:
            if row not in stuff:
                stuff[row] = len(classes)
                classes.append(row)
            number_of[segment.id] = stuff[row]
    ids = np.array(sorted(number_of), dtype=np.int64)
    index = np.full(labels.shape, NONE, dtype=np.int16)
    if len(ids):
        place = np.searchsorted(ids, labels).clip(max=len(ids) - 1)
        numbers = np.array([number_of[label] for label in ids.tolist()], dtype=np.int16)
        index = np.where(ids[place] == labels, numbers[place], index).astype(np.int16)
    return IndexedTargets(index, np.array(classes, dtype=np.int64))
