"""Segments that are far from everything of their class: a torn mask, a picture of another kind, or a wrong label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retclip.progress import OnProgress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import DOUBTFUL, ListedSegment, SegmentFilter
from retclip.types import FeatureSpace
from retclip.workflows.audit.trust import update_trust

SPREADS = 3.0  # robust spreads of its class beyond which a segment is far
NORMAL = 1.4826  # median absolute deviations in a standard deviation of a normal distribution
FEWEST = 8  # segments of a class that say what is usual in it


def outliers(
    store: FeatureStore, chosen: SegmentFilter, limit: int, space: FeatureSpace | None = None, device: str = "cpu",
    on_progress: OnProgress = silent,
) -> list[ListedSegment]:  # fmt: skip
    """List the segments whose nearest of their own class are unusually far for that class, the farthest first.

    With a, the mean distance to the three nearest of its class (`label_trust`), its median m in the class, and the
    median absolute deviation from it: (a - m) / (1.4826 * deviation) must exceed 3. Classes of fewer than 8 segments
    say nothing of what is usual.

    chosen: only segments that it selects.
    limit: at most so many.
    Raises StoreMissing, SpaceMismatch, StoreDamaged, DataError for a filter of what the store does not have.
    """
    update_trust(store, space, device, on_progress)
    labels = [label for label in store.trust.labels(space) if label.own_distance is not None]
    by_class: dict[str, list[float]] = {}
    for label in labels:
        by_class.setdefault(label.class_name, []).append(label.own_distance or 0.0)
    usual = {name: _usual(values) for name, values in by_class.items() if len(values) >= FEWEST}
    far = []
    for label in labels:
        if label.class_name in usual:
            median, spread = usual[label.class_name]
            spreads = ((label.own_distance or 0.0) - median) / spread
            if spreads > SPREADS:
                far.append((spreads, median, label))
    far.sort(key=lambda entry: (-entry[0], entry[2].id))
    by_id = {label.id: (spreads, median, label) for spreads, median, label in far}
    ids = store.segments.among(list(by_id), chosen)[:limit]
    listed = []
    for segment in store.segments.listed(ids):
        spreads, median, label = by_id[segment.id]
        note = f"{spreads:.1f} spreads from its class, in which {median:.3f} is usual"
        suggested = label.suggested if label.trust is not None and label.trust < DOUBTFUL else None
        listed.append(
            replace(segment, distance=label.own_distance, trust=label.trust, suggested=suggested or "", note=note)
        )
    return listed


def _usual(values: list[float]) -> tuple[float, float]:
    """Return the median of distances, and their robust spread."""
    median = float(np.median(values))
    return median, max(1e-6, NORMAL * float(np.median(np.abs(np.array(values) - median))))
