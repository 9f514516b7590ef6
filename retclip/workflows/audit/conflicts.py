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

SAME_MASK = 0.9  # IoU
ALIKE = 0.1  # cosine distance within which data sets should agree
BLOCK = 512  # segments compared with all at once
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
    found = [*same_masks(store, segments), *data_sets_disagree(store, segments, alike)]
    first = dict[UUID, ListedSegment]()
    for one in found:
        first.setdefault(one.id, one)
    return [first[one] for one in store.segments.among(list(first), chosen)[:limit]]


def same_masks(store: FeatureStore, segments: JudgedSegments) -> list[ListedSegment]:
    """List the segments of photos in which another segment covers the same pixels under another label, the best match
    first; each names the other."""
    order = np.argsort(segments.images, kind="stable")
    bounds = np.flatnonzero(np.diff(segments.images[order])) + 1
    found: list[tuple[float, ListedSegment]] = []
    for places in np.split(order, bounds):
        if len(set(segments.categories[places].tolist())) < 2:
            continue
        listed = store.segments.listed([segments.ids[place] for place in places])
        pairs = [(one, other) for one, other in combinations(listed, 2)
                 if one.class_name != other.class_name and _box_iou(one.box, other.box) >= SAME_MASK]  # fmt: skip
        found += [told for pair in pairs for told in _overlap(store, *pair)]
    found.sort(key=lambda one: (-one[0], one[1].id))
    return [segment for _, segment in found]


def data_sets_disagree(store: FeatureStore, segments: JudgedSegments, alike: float) -> list[ListedSegment]:
    """List the segments whose nearest segment of another data set has another label, the nearest first."""
    if len(set(segments.datasets.tolist())) < 2:
        return []
    pairs: dict[UUID, tuple[float, UUID]] = {}
    for start in range(0, len(segments), BLOCK):
        rows = slice(start, start + BLOCK)
        near = 1.0 - segments.vectors[rows] @ segments.vectors.T  # (b, n)
        near[segments.datasets[rows, None] == segments.datasets[None]] = np.inf
        columns = near.argmin(axis=1)
        for number, column in enumerate(columns.tolist()):
            distance, place = float(near[number, column]), start + number
            if distance <= alike and segments.categories[place] != segments.categories[column]:
                pairs[segments.ids[place]] = (max(0.0, distance), segments.ids[column])
    ids = sorted(pairs, key=lambda one: (pairs[one][0], one))
    others = {one.id: one for one in _listed(store, [other for _, other in pairs.values()])}
    return [
        replace(segment, distance=pairs[segment.id][0], note=_disagreeing(others[pairs[segment.id][1]]))
        for segment in _listed(store, ids)
    ]


def _disagreeing(other: ListedSegment) -> str:
    return f"{other.dataset} calls the nearest {other.class_name}: {str(other.id)[:8]}"


def _overlap(store: FeatureStore, one: ListedSegment, other: ListedSegment) -> list[tuple[float, ListedSegment]]:
    masks = store.segments.masks([one.id, other.id])
    first, second = (
        rle.decode({"size": [masks[it.id][1], masks[it.id][2]], "counts": masks[it.id][0].decode()})
        for it in (one, other)
    )
    iou = float((first & second).sum() / max(1, (first | second).sum()))
    if iou < SAME_MASK:
        return []
    return [
        (iou, replace(it, note=f"the same mask is {that.class_name}, too: {str(that.id)[:8]}, IoU {iou:.2f}"))
        for it, that in ((one, other), (other, one))
    ]


def _listed(store: FeatureStore, ids: Sequence[UUID]) -> list[ListedSegment]:
    return [one for start in range(0, len(ids), PAGE) for one in store.segments.listed(ids[start : start + PAGE])]


def _box_iou(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    common = max(0, width) * max(0, height)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (first, second)]
    return common / max(1, sum(areas) - common)
