"""Labels that contradict each other: one mask with two labels, and data sets that disagree about what looks alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from uuid import UUID

import numpy as np

from retclip.data import rle
from retclip.store.feature_store import FeatureStore
from retclip.store.records import JudgedSegments, ListedSegment, SegmentFilter
from retclip.types import FeatureSpace
from retclip.workflows.audit.nearest import nearest_allowed

SAME_MASK = 0.9  # IoU
ALIKE = 0.1  # cosine distance within which data sets should agree
PAGE = 5000


def conflicts(
    store: FeatureStore, chosen: SegmentFilter, limit: int, space: FeatureSpace | None = None, alike: float = ALIKE
) -> list[ListedSegment]:
    """List segments whose label another one contradicts: first those of one mask, then the nearest of another data set.

    chosen: only segments that it selects; what contradicts may be any.
    limit: at most so many.
    alike: cosine distance within which data sets should agree, (0, 2].
    Raises StoreMissing, SpaceMismatch, StoreDamaged, DataError for a filter of what the store does not have.
    """
    segments = store.trust.segments(space)
    first = dict[UUID, ListedSegment]()
    for segment in [*same_masks(store, segments), *data_sets_disagree(store, segments, alike)]:
        first.setdefault(segment.id, segment)
    return [first[number] for number in store.segments.among(list(first), chosen)[:limit]]


def same_masks(store: FeatureStore, segments: JudgedSegments) -> list[ListedSegment]:
    """List the segments of photos in which another segment covers the same pixels under another label, the best match
    first; each names the other."""
    order = np.argsort(segments.images, kind="stable")
    bounds = np.flatnonzero(np.diff(segments.images[order])) + 1
    overlapping: list[tuple[float, ListedSegment]] = []
    for places in np.split(order, bounds):
        if len(set(segments.categories[places].tolist())) < 2:
            continue
        listed = store.segments.listed([segments.ids[place] for place in places])
        pairs = [(first, second) for first, second in combinations(listed, 2)
                 if first.class_name != second.class_name and _box_iou(first.box, second.box) >= SAME_MASK]  # fmt: skip
        overlapping += [segment for pair in pairs for segment in _overlap(store, *pair)]
    overlapping.sort(key=lambda entry: (-entry[0], entry[1].id))
    return [segment for _, segment in overlapping]


def data_sets_disagree(store: FeatureStore, segments: JudgedSegments, alike: float) -> list[ListedSegment]:
    """List the segments whose nearest segment of another data set has another label, the nearest first."""
    if len(set(segments.datasets.tolist())) < 2:
        return []
    pairs = {
        segments.ids[place]: (distance, segments.ids[other])
        for place, other, distance in nearest_allowed(
            segments, lambda rows: segments.datasets[None] == segments.datasets[rows, None], alike
        )
        if segments.categories[place] != segments.categories[other]
    }
    ids = sorted(pairs, key=lambda number: (pairs[number][0], number))
    others = {other.id: other for other in _listed(store, [other for _, other in pairs.values()])}
    return [
        replace(segment, distance=pairs[segment.id][0], note=_disagreeing(others[pairs[segment.id][1]]))
        for segment in _listed(store, ids)
    ]


def _disagreeing(other: ListedSegment) -> str:
    return f"{other.dataset} calls the nearest {other.class_name}: {str(other.id)[:8]}"


def _overlap(store: FeatureStore, first: ListedSegment, second: ListedSegment) -> list[tuple[float, ListedSegment]]:
    """Return both with their IoU, each naming the other; none where they are not the same mask."""
    pair, masks = (first, second), store.segments.masks([first.id, second.id])
    records = [masks[segment.id] for segment in pair]
    pixels, others = (
        rle.decode({"size": [height, width], "counts": counts.decode()}) for counts, height, width in records
    )
    iou = float((pixels & others).sum() / max(1, (pixels | others).sum()))
    if iou < SAME_MASK:
        return []
    return [
        (iou, replace(segment, note=f"the same mask is {other.class_name}, too: {str(other.id)[:8]}, IoU {iou:.2f}"))
        for segment, other in zip(pair, reversed(pair), strict=True)
    ]


def _listed(store: FeatureStore, ids: Sequence[UUID]) -> list[ListedSegment]:
    pages = (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))
    return [segment for page in pages for segment in store.segments.listed(page)]


def _box_iou(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    common = max(0, width) * max(0, height)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (first, second)]
    return common / max(1, sum(areas) - common)
