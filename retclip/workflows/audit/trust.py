"""Bring the trust in every label up to date: a batched search of the store against itself.

Only what changed is computed. Segments that came, went or got another label are found by their revisions, whatever did
it: a build, an addition, a correction, an undo. Their classes were *touched*; for all other segments the means to
touched classes alone are computed again (`retclip.algorithms.label_trust.updated_means`). The result is that of a full
computation. Where most is touched, everything is computed: that is one product of all with all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.algorithms.label_trust import ClassMeans, Labelled, class_means, updated_means
from retclip.progress import OnProgress, Progress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import JudgedLabel, JudgedSegments, TrustRow
from retclip.types import FeatureSpace

BLOCK = 4096  # segments between two looks at the progress


@dataclass(frozen=True)
class TrustUpdate:
    """What an update of the trust did.

    segments: visible segments of the space.
    computed: those that were compared with every class.
    changed: other segments whose trust changed.
    removed: rows of segments that are not visible any more.
    without: segments without a trust, as there is nothing to compare them with.
    """

    segments: int
    computed: int
    changed: int
    removed: int
    without: int


def update_trust(
    store: FeatureStore, space: FeatureSpace | None = None, device: str = "cpu", on_progress: OnProgress = silent,
    segments: JudgedSegments | None = None,
) -> TrustUpdate:  # fmt: skip
    """Bring the trust of a space's segments up to date.

    space: None for the first build's.
    device: torch's, for the products.
    segments: of the space, where they are read already.
    Raises StoreMissing for an empty store, SpaceMismatch, StoreDamaged, StoreBusy.
    """
    state = store.trust.state(space)
    if state.current:
        return TrustUpdate(state.segments, 0, 0, 0, _without(store, space))
    now, kept = store.trust.segments(space) if segments is None else segments, store.trust.kept(space)
    places = {int(row): place for place, row in enumerate(now.rows)}
    same = [row for row in kept if row.segment in places and now.revs[places[row.segment]] == row.rev]
    old = np.array([places[row.segment] for row in same], dtype=np.int64)  # (o,) places of those that stay
    fresh = np.setdiff1d(np.arange(len(now)), old)  # (f,)
    gone = {row.segment for row in kept} - {row.segment for row in same}
    touched = np.unique([*now.categories[fresh], *(row.category for row in kept if row.segment in gone)])
    stored = _labelled(now, device)
    computed = _means(stored, fresh, on_progress)
    rows = _rows(now, fresh, computed)
    changed = 0
    if len(old):
        asked = stored[torch.from_numpy(old).to(device)]
        numbers = torch.from_numpy(touched.astype(np.int64)).to(device)
        updated, moved = updated_means(_kept_means(same, device), asked, stored, numbers)
        places_moved = np.flatnonzero(moved.cpu().numpy())
        rows += _rows(now, old[places_moved], _some(updated, places_moved))
        changed = len(places_moved)
    store.trust.keep(rows, gone, space)
    absent = gone - set(now.rows.tolist())
    return TrustUpdate(len(now), len(fresh), changed, len(absent), _without(store, space))


def judged_labels(
    store: FeatureStore, segments: JudgedSegments, device: str = "cpu", on_progress: OnProgress = silent
) -> list[JudgedLabel]:
    """Judge the labels of segments from nothing, without keeping it, the least trusted first, those without a trust
    last.

    segments: all of a space; equal numbers of `images` do not speak for each other.
    """
    means = _means(_labelled(segments, device), np.arange(len(segments)), on_progress)
    names = {row.id: row.name for row in store.classes.all()}
    rows = _rows(segments, np.arange(len(segments)), means)
    labels = [
        JudgedLabel(number, names[row.category], row.trust, row.own, row.other, names.get(row.suggested or 0))
        for number, row in zip(segments.ids, rows, strict=True)
    ]
    return sorted(labels, key=lambda label: (label.trust is None, label.trust or 0.0, label.id))


def _without(store: FeatureStore, space: FeatureSpace | None) -> int:
    """Count the segments that have nothing to be compared with."""
    return sum(row.trust is None for row in store.trust.kept(space))


def _labelled(segments: JudgedSegments, device: str) -> Labelled:
    arrays = (segments.vectors, segments.categories, segments.images)
    return Labelled(*(torch.from_numpy(array).to(device) for array in arrays))


def _means(stored: Labelled, places: NDArray[np.int64], on_progress: OnProgress) -> ClassMeans:
    """Compare segments with every class, a block at a time."""
    parts = []
    for start in range(0, len(places), BLOCK):
        block = torch.from_numpy(places[start : start + BLOCK]).to(stored.classes.device)
        parts.append(class_means(stored[block], stored))
        on_progress(Progress("trust", min(start + BLOCK, len(places)), len(places)))
    if not parts:
        return class_means(stored[torch.zeros(0, dtype=torch.int64)], stored)
    return ClassMeans(
        torch.cat([part.own for part in parts]), torch.cat([part.other for part in parts]),
        torch.cat([part.suggested for part in parts]),
    )  # fmt: skip


def _kept_means(rows: list[TrustRow], device: str) -> ClassMeans:
    def numbers(values: list[float | None]) -> torch.Tensor:
        finite = [float("inf") if value is None else value for value in values]
        return torch.tensor(finite, dtype=torch.float32, device=device)

    suggested = [-1 if row.suggested is None else row.suggested for row in rows]
    return ClassMeans(
        numbers([row.own for row in rows]), numbers([row.other for row in rows]),
        torch.tensor(suggested, dtype=torch.int64, device=device),
    )  # fmt: skip


def _some(means: ClassMeans, places: NDArray[np.int64]) -> ClassMeans:
    rows = torch.from_numpy(places).to(means.own.device)
    return ClassMeans(means.own[rows], means.other[rows], means.suggested[rows])


def _rows(segments: JudgedSegments, places: NDArray[np.int64], means: ClassMeans) -> list[TrustRow]:
    """Make the rows of segments from their means."""
    columns = (means.trust(), means.own, means.other)
    trust, own, other = ([_finite(value) for value in column.tolist()] for column in columns)
    suggested = [None if number < 0 else number for number in means.suggested.tolist()]
    identity = (segments.rows[places], segments.revs[places], segments.categories[places])
    return [
        TrustRow(*row)
        for row in zip(*(column.tolist() for column in identity), trust, own, other, suggested, strict=True)
    ]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
