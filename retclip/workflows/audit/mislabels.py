"""The labels that are most likely wrong: another class is nearer to the segment than its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from retclip.progress import OnProgress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import DOUBTFUL, JudgedLabel, JudgedSegments, ListedSegment, SegmentFilter
from retclip.types import FeatureSpace
from retclip.workflows.audit.frames import PhotoGroups
from retclip.workflows.audit.trust import judged_labels, update_trust

SHOWN = 3  # neighbours of the suggested class


@dataclass(frozen=True)
class Suspect:
    """A label that is likely wrong.

    segment: with its trust, the suggested class and what speaks for it.
    neighbours: the nearest segments of the suggested class in other photos, nearest first, with their distances.
    """

    segment: ListedSegment
    neighbours: tuple[ListedSegment, ...]


def mislabels(
    store: FeatureStore, chosen: SegmentFilter, limit: int, space: FeatureSpace | None = None, device: str = "cpu",
    frames: PhotoGroups | None = None, on_progress: OnProgress = silent,
) -> list[Suspect]:  # fmt: skip
    """List the most doubtful labels, the least trusted first.

    Without `frames` the kept trust is brought up to date, and answers. With it, trust is computed from nothing with
    each group as one photo, and is not kept.

    chosen: only of segments that it selects; trust is judged by all.
    limit: at most so many.
    frames: groups of photos that do not speak for each other.
    Raises StoreMissing, SpaceMismatch, StoreDamaged, DataError for a filter of what the store does not have.
    """
    segments = store.trust.segments(space)
    if frames is None:
        update_trust(store, space, device, on_progress, segments)
        labels = store.trust.labels(space)
    else:
        segments = grouped(segments, frames)
        labels = judged_labels(store, segments, device, on_progress)
    doubtful = {label.id: label for label in labels if label.trust is not None and label.trust < DOUBTFUL}
    ids = store.segments.among(list(doubtful), chosen)[:limit]
    near = nearest_of(segments, [(number, doubtful[number].suggested or "") for number in ids], _names(store))
    return [
        Suspect(_told(segment, doubtful[segment.id]), _listed(store, near[segment.id]))
        for segment in store.segments.listed(ids)
    ]


def grouped(segments: JudgedSegments, frames: PhotoGroups) -> JudgedSegments:
    """Return segments with the first photo of its group in the place of each one's photo."""
    images = [frames.groups.get(image, image) for image in segments.images.tolist()]
    return replace(segments, images=np.array(images, dtype=np.int64))


def nearest_of(
    segments: JudgedSegments, asked: Sequence[tuple[UUID, str]], rows: dict[str, int], count: int = SHOWN
) -> dict[UUID, list[tuple[UUID, float]]]:
    """Find the nearest segments of a class in other photos: by segment their ids and cosine distances.

    asked: segments, each with the name of a class.
    rows: of the classes, by name.
    """
    places, nearest = {number: place for place, number in enumerate(segments.ids)}, {}
    for segment, name in asked:
        place = places[segment]
        others = np.flatnonzero((segments.categories == rows[name]) & (segments.images != segments.images[place]))
        distances = 1.0 - segments.vectors[others] @ segments.vectors[place]
        order = np.argsort(distances, kind="stable")[:count]
        nearest[segment] = [(segments.ids[others[n]], float(max(0.0, distances[n]))) for n in order]
    return nearest


def _names(store: FeatureStore) -> dict[str, int]:
    return {row.name: row.id for row in store.classes.all()}


def _told(segment: ListedSegment, label: JudgedLabel) -> ListedSegment:
    note = f"its nearest {label.suggested} at {label.other_distance:.3f}, of {label.class_name} at "
    note += f"{label.own_distance:.3f}"
    return replace(segment, trust=label.trust, suggested=label.suggested or "", note=note)


def _listed(store: FeatureStore, near: Sequence[tuple[UUID, float]]) -> tuple[ListedSegment, ...]:
    distances = dict(near)
    return tuple(replace(row, distance=distances[row.id]) for row in store.segments.listed(list(distances)))
