"""Classes and segments as people read and change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from retclip.store.states import LabelSource, SegmentStatus


@dataclass(frozen=True)
class StoreClass:
    """A class of the store, with its segments and images counted.

    is_thing: whether it is a thing; None if no source says.
    segments: visible ones that may vote for it.
    images: with at least one visible segment.
    negatives: visible segments that were rejected for it: they count against it, those of its own label too.
    """

    id: int
    name: str
    is_thing: bool | None
    aliases: tuple[str, ...]
    segments: int
    images: int
    negatives: int = 0


@dataclass(frozen=True)
class StoredSegment:
    """A segment of the store for people: its class, who labelled it, and its origin.

    labelled_by: a run or a person.
    box: x0, y0, x1, y1, in pixels of the upright image, x1 and y1 exclusive.
    status: as the last word of a run or a person left it; of a removed class or image, too.
    prompt: the name key of the class that was asked for.
    score: the proposer's objectness, [0, 1].
    detector_score, mask_score: [0, 1], None where there was no such model, or nobody wrote it down.
    source: the address that the run read.
    components: of the run, by role; empty for a run older than these records.
    """

    id: UUID
    class_name: str
    label_source: LabelSource
    confidence: float
    labelled_by: str
    image_sha256: str
    image_uri: str
    dataset: str
    box: tuple[int, int, int, int]
    area: int
    proposer: str
    run: int
    status: SegmentStatus
    prompt: str
    score: float
    detector_score: float | None
    mask_score: float | None
    proposer_version: str
    source: str
    components: Mapping[str, Any]

    @property
    def said_by(self) -> str:
        """Who said which class it is, with how sure that is where it is not certain: "annotation 0.67"."""
        own = self.label_source in (LabelSource.ANNOTATION, LabelSource.ASSIGNED) and self.confidence < 1
        return f"{self.label_source} {self.confidence:.2f}" if own else str(self.label_source)


@dataclass(frozen=True)
class Edit:
    """The result of a change of classes.

    event: its number, for `FeatureStore.undo`.
    segments: how many changed.
    unchanged: how many of those that were asked for are so already; no event, number 0, where all are.
    """

    event: int
    segments: int = 0
    unchanged: int = 0
