"""Touching pieces: segments of one thing class that share a border become one instance.

A proposer of patches (superpixels, a grid of regions) cuts an object into pieces, each with the object's label. Stuff
is one segment per class anyhow; of things only the borders say what belongs together: two objects of one class that
touch become one, an object in two parts stays two. The rule is ours, neither the paper's nor FC-CLIP's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from retclip.algorithms.pixel_counts import row_bands
from retclip.types import SegmentInfo


def join_touching_pieces(
    label_map: NDArray[np.int32], segments: Sequence[SegmentInfo]
) -> tuple[NDArray[np.int32], list[SegmentInfo]]:
    """Return the label map and its segments, those of one thing class joined where pixels of them are 4-neighbours.

    A joined segment has the mean score of its pieces, weighted by area, and the mask proposal of its largest piece. Ids
    are counted anew from 1, in the order of each segment's first piece.

    label_map: (H, W), 0 = void, else a segment's id, 1 to the number of segments.

    Worked example: of the row 1 2 0 3, all of one thing class, comes 1 1 0 2; of a stuff class it comes as it is.
    """
    owner = _groups(label_map, segments)  # (m,) position of the first segment of each segment's group
    pieces: dict[int, list[SegmentInfo]] = {}
    for segment, first in zip(segments, owner, strict=True):
        pieces.setdefault(first, []).append(segment)
    number = {first: new for new, first in enumerate(sorted(pieces), start=1)}
    new_ids = np.array([0, *(number[first] for first in owner)], dtype=np.int32)
    return new_ids[label_map], [_joined(pieces[first], new) for first, new in number.items()]


def _groups(label_map: NDArray[np.int32], segments: Sequence[SegmentInfo]) -> list[int]:
    """Return for each segment the position of the first one that it is connected with, which may be itself."""
    classes = np.array([-1, *(segment.class_index if segment.is_thing else -1 for segment in segments)])
    count = len(segments)
    pairs = np.concatenate([_touching(label_map, classes, rows) for rows in row_bands(label_map.shape)])  # (p,)
    ends = np.divmod(pairs, max(1, count))
    touching = coo_array((np.ones(len(pairs), dtype=bool), ends), shape=(count, count))
    _, group = connected_components(touching, directed=False)  # (m,)
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return list(first[inverse].tolist())


def _touching(label_map: NDArray[np.int32], classes: NDArray[np.int64], rows: slice) -> NDArray[np.int64]:
    """Return the pairs of segments of one thing class that touch within some rows or across their lower edge, as one
    number each: the first's position times the number of segments, plus the second's.

    classes: by id, -1 = no thing.
    """
    here = label_map[rows.start : rows.stop + 1]
    borders = [(here[:, :-1], here[:, 1:]), (here[:-1], here[1:])]  # right of, below
    left, right = (np.concatenate([pair[side].ravel() for pair in borders]) for side in (0, 1))
    differing = left != right
    left, right = left[differing].astype(np.int64), right[differing]
    same = (classes[left] == classes[right]) & (classes[left] >= 0)
    return np.unique((left[same] - 1) * (len(classes) - 1) + right[same] - 1)


def _joined(pieces: Sequence[SegmentInfo], new_id: int) -> SegmentInfo:
    area, largest = sum(piece.area for piece in pieces), max(pieces, key=lambda piece: piece.area)
    score = sum(piece.score * piece.area for piece in pieces) / area if area else largest.score
    return replace(largest, id=new_id, area=area, score=score)
