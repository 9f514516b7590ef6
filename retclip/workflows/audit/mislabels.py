"""The labels that are most likely wrong: those that are doubted most, or trusted least.

Doubt (`label_doubt`) finds more of them where classes have segments enough; else, and in large stores, trust
(`label_trust`) ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

import numpy as np

from retclip.progress import OnProgress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import DOUBTFUL, JudgedSegments, ListedSegment, SegmentFilter
from retclip.types import FeatureSpace
from retclip.workflows.audit.doubt import can_be_doubted, doubted_labels
from retclip.workflows.audit.frames import PhotoGroups
from retclip.workflows.audit.trust import judged_labels, update_trust

Ranking = Literal["doubt", "trust"]
RANKINGS: tuple[Ranking, ...] = ("doubt", "trust")
SHOWN = 3  # neighbours of the suggested class


@dataclass(frozen=True)
class Suspect:
    """A label that is likely wrong.

    segment: with its trust, the suggested class and what speaks for it.
    neighbours: the nearest segments of the suggested class in other photos, nearest first, with their distances.
    doubt: how likely the label is wrong, [0, 1]; None where trust ranked.
    """

    segment: ListedSegment
    neighbours: tuple[ListedSegment, ...]
    doubt: float | None = None


@dataclass(frozen=True)
class Judging:
    """How labels are judged.

    frames: groups of photos that do not speak for each other, each counting as one photo; None: every photo by itself.
    by: what ranks; None: doubt where there are segments enough for it and not too many, else trust.
    """

    frames: PhotoGroups | None = None
    by: Ranking | None = None


def mislabels(
    store: FeatureStore, chosen: SegmentFilter, limit: int, space: FeatureSpace | None = None, device: str = "cpu",
    how: Judging = Judging(), on_progress: OnProgress = silent,
) -> list[Suspect]:  # fmt: skip
    """List the labels that are most likely wrong, the likeliest first.

    chosen: only of segments that it selects; labels are judged by all.
    limit: at most so many.
    how: the kept trust is brought up to date where it has no `frames`; what is computed with these is not kept.
    Raises StoreMissing, SpaceMismatch, StoreDamaged, DataError for a filter of what the store does not have.
    """
    segments = store.trust.segments(space)
    if how.frames is None:
        update_trust(store, space, device, on_progress, segments)
    else:
        segments = grouped(segments, how.frames)
    if how.by == "doubt" or (how.by is None and can_be_doubted(segments)):
        found = _doubted(store, segments, device, on_progress)
    else:
        found = _distrusted(store, segments, space, how.frames is None, device, on_progress)
    ids = store.segments.among(list(found), chosen)[:limit]
    near = nearest_of(segments, [(number, found[number].suggested) for number in ids], _names(store))
    return [
        Suspect(found[segment.id].told(segment), _listed(store, near[segment.id]), found[segment.id].doubt)
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


@dataclass(frozen=True)
class _Found:
    """Why a label is suspected."""

    suggested: str
    note: str
    doubt: float | None = None
    trust: float | None = None

    def told(self, segment: ListedSegment) -> ListedSegment:
        trust = segment.trust if self.trust is None else self.trust
        return replace(segment, trust=trust, suggested=self.suggested, note=self.note)


def _doubted(
    store: FeatureStore, segments: JudgedSegments, device: str, on_progress: OnProgress
) -> dict[UUID, _Found]:  # fmt: skip
    labels = doubted_labels(store, segments, device, on_progress)
    return {
        label.id: _Found(
            label.suggested, f"{label.suggested} is likelier, {label.doubt:.2f} that it is wrong", label.doubt
        )
        for label in labels
    }


def _distrusted(
    store: FeatureStore, segments: JudgedSegments, space: FeatureSpace | None, keep: bool, device: str,
    on_progress: OnProgress,
) -> dict[UUID, _Found]:  # fmt: skip
    labels = store.trust.labels(space) if keep else judged_labels(store, segments, device, on_progress)
    found = {}
    for label in labels:
        if label.trust is not None and label.trust < DOUBTFUL:
            note = f"its nearest {label.suggested} at {label.other_distance:.3f}, of {label.class_name} at "
            note += f"{label.own_distance:.3f}"
            found[label.id] = _Found(label.suggested or "", note, trust=label.trust)
    return found


def _listed(store: FeatureStore, near: Sequence[tuple[UUID, float]]) -> tuple[ListedSegment, ...]:
    distances = dict(near)
    return tuple(replace(row, distance=distances[row.id]) for row in store.segments.listed(list(distances)))
