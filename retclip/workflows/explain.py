"""Walk 5, explain: a predicted segment -> the scores of each source -> the stored segments that caused them.

Works on evidence alone: no image is decoded again and no model is loaded. What the store says of a neighbour is what
it says *now*; a neighbour that has been removed since is shown as gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import torch

from retclip.errors import DataError
from retclip.evidence import Evidence
from retclip.names import LabelMatch
from retclip.store.catalog import StoredSegment
from retclip.store.engine import transaction
from retclip.store.feature_store import FeatureStore
from retclip.store.spaces import VectorMaker, vector_makers
from retclip.types import PanopticSegmentation, SegmentInfo

TOP_CLASSES = 5


@dataclass(frozen=True)
class ExplainedNeighbour:
    """One stored segment that was near, as it was seen (distance, label then) and as it is known now. vector_run,
    vector_components: the run that made its vector in the space that was searched, which is another one than the
    segment's own where the space was added; None and empty where that is not known."""

    id: UUID
    distance: float
    class_then: str
    stored: StoredSegment | None  # None: no longer in the store
    vector_run: int | None = None
    vector_components: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """Why one mask of a predicted segment got its label.

    A thing is one mask; stuff may be made of many, each with neighbours of its own. mask: which one this is about, the
    largest unless a pixel was named; of `masks` in all, it covers `mask_area` pixels of the segment.
    scores: per source, class name -> score, the best classes and the chosen one. unknown: per source the classes of
    the vocabulary that it could not speak of. combined: class name -> score after the ensemble.
    """

    segment: SegmentInfo
    mask: int
    masks: int
    mask_area: int
    box: tuple[int, int, int, int]  # x0 y0 x1 y1 of the mask proposal, image pixels
    image_uri: str
    image_sha256: str
    neighbours: tuple[ExplainedNeighbour, ...]
    scores: dict[str, dict[str, float]]
    unknown: dict[str, list[str]]
    combined: dict[str, float]
    void: float
    settings: dict[str, Any]
    match: LabelMatch | None = None  # how the segment's class was found in the store

    def votes(self) -> dict[str, int]:
        """How many neighbours of each class there are, most first."""
        counted: dict[str, int] = {}
        for neighbour in self.neighbours:
            counted[neighbour.class_then] = counted.get(neighbour.class_then, 0) + 1
        return dict(sorted(counted.items(), key=lambda pair: -pair[1]))


def explain(
    store: FeatureStore, result: PanopticSegmentation, evidence: Evidence, segment_id: int, mask: int | None = None
) -> Explanation:
    """The explanation of the segment with that id in the label map. Raises DataError for an id that is not there.

    mask: one of the masks the segment is made of (None = its largest).
    """
    segment = next((one for one in result.segments if one.id == segment_id), None)
    if segment is None:
        known = ", ".join(f"{one.id} ({one.class_name})" for one in result.segments) or "none"
        raise DataError("a segment id of this result", str(segment_id), f"choose one of: {known}")
    n = segment.proposal if mask is None else mask
    inside = result.label_map == segment.id
    parts = np.full(inside.sum(), n) if result.mask_map is None else result.mask_map[inside]
    combined = _best(evidence.combined[n], evidence.vocabulary.names, segment.class_index)
    scores = {
        one.classifier or str(one.role): _best(one.values[n], evidence.vocabulary.names, segment.class_index)
        for one in evidence.scores
    }
    unknown = {
        one.classifier or str(one.role): [
            name
            for name, knows in zip(evidence.vocabulary.names, one.knows.tolist(), strict=True)
            if not knows or (one.speaks is not None and not bool(one.speaks[n]))
        ]
        for one in evidence.scores
    }
    x0, y0, x1, y1 = (int(edge) for edge in evidence.boxes[n])
    return Explanation(
        segment=segment, mask=n, masks=len(np.unique(parts)), mask_area=int((parts == n).sum()),
        box=(x0, y0, x1, y1), image_uri=evidence.image_uri, image_sha256=evidence.image_sha256,
        neighbours=_neighbours(store, evidence, n), scores=scores, unknown=unknown, combined=combined,
        void=float(evidence.void[n]), settings=dict(evidence.settings),
        match=next((one for one in evidence.matches if one.name == segment.class_name), None),
    )  # fmt: skip


def segment_at(result: PanopticSegmentation, x: int, y: int) -> tuple[int, int | None]:
    """The id of the segment under a pixel, and which of its masks lies there (None where the map does not know).
    Raises DataError outside the image or on void."""
    height, width = result.label_map.shape
    if not (0 <= x < width and 0 <= y < height):
        raise DataError(f"a pixel inside {width} x {height}", f"({x}, {y})", "count from the upper left, x first")
    found = int(result.label_map[y, x])
    if not found:
        raise DataError("a labelled pixel", f"({x}, {y}), which no segment covers", "choose another, see the overlay")
    return found, None if result.mask_map is None else int(result.mask_map[y, x])


def _best(row: torch.Tensor, names: tuple[str, ...], chosen: int) -> dict[str, float]:
    order = torch.argsort(row, descending=True, stable=True)[:TOP_CLASSES].tolist()
    keep = order if chosen in order or chosen < 0 else [*order, chosen]
    return {names[index]: float(row[index]) for index in keep}


def _neighbours(store: FeatureStore, evidence: Evidence, n: int) -> tuple[ExplainedNeighbour, ...]:
    near = evidence.neighbours
    if near is None:
        return ()
    there = [column for column in range(near.ids.shape[1]) if near.ids[n, column] is not None]
    ids = [near.ids[n, column] for column in there]
    stored, unknown = store.segments(ids), VectorMaker(None, {})
    with transaction(store.engine) as connection:
        makers = vector_makers(connection, ids, str(evidence.settings.get("space", "")))
    return tuple(
        ExplainedNeighbour(
            id=near.ids[n, column],
            distance=float(near.distances[n, column]),
            class_then=evidence.vocabulary.names[int(near.classes[n, column])],
            stored=stored.get(near.ids[n, column]),
            vector_run=makers.get(near.ids[n, column], unknown).run,
            vector_components=makers.get(near.ids[n, column], unknown).components,
        )
        for column in there
    )
