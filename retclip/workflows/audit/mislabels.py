"""The labels that are most likely wrong: another class is nearer to the segment than its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from retclip.progress import OnProgress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import JudgedLabel, JudgedSegments, ListedSegment, SegmentFilter
from retclip.types import FeatureSpace
from retclip.workflows.audit.trust import update_trust

DOUBTFUL = 0.5  # trust below which another class is nearer
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
    on_progress: OnProgress = silent,
) -> list[Suspect]:  # fmt: skip
    """List the most doubtful labels, the least trusted first, after the trust was brought up to date.

    chosen: only of segments that it selects; trust is judged by all.
    limit: at most so many.
    Raises StoreMissing, SpaceMismatch, StoreDamaged, DataError for a filter of what the store does not have.
    """
    update_trust(store, space, device, on_progress)
    labels = {label.id: label for label in store.trust.labels(space) if (label.trust or 0.0) < DOUBTFUL}
    labels = {one: label for one, label in labels.items() if label.trust is not None}
    ids = store.segments.among(list(labels), chosen)[:limit]
    near = nearest_of(store.trust.segments(space), [(one, labels[one].suggested or "") for one in ids], _names(store))
    return [
        Suspect(_told(segment, labels[segment.id]), _listed(store, near[segment.id]))
        for segment in store.segments.listed(ids)
    ]


def nearest_of(
    segments: JudgedSegments, asked: Sequence[tuple[UUID, str]], rows: dict[str, int], count: int = SHOWN
) -> dict[UUID, list[tuple[UUID, float]]]:
    """Find the nearest segments of a class in other photos: by segment their ids and cosine distances.

    asked: segments, each with the name of a class.
    rows: of the classes, by name.
    """
    places = {one: place for place, one in enumerate(segments.ids)}
    found = {}
    for one, name in asked:
        place = places[one]
        others = np.flatnonzero((segments.categories == rows[name]) & (segments.images != segments.images[place]))
        distances = 1.0 - segments.vectors[others] @ segments.vectors[place]
        order = np.argsort(distances, kind="stable")[:count]
        found[one] = [(segments.ids[others[n]], float(max(0.0, distances[n]))) for n in order]
    return found


def _names(store: FeatureStore) -> dict[str, int]:
    return {row.name: row.id for row in store.classes.all()}


def _told(segment: ListedSegment, label: JudgedLabel) -> ListedSegment:
    note = f"its nearest {label.suggested} at {label.other_distance:.3f}, of {label.class_name} at "
    note += f"{label.own_distance:.3f}"
    return replace(segment, trust=label.trust, suggested=label.suggested or "", note=note)


def _listed(store: FeatureStore, near: Sequence[tuple[UUID, float]]) -> tuple[ListedSegment, ...]:
    distances = dict(near)
    return tuple(replace(one, distance=distances[one.id]) for one in store.segments.listed(list(distances)))
