"""Segments as lists of them show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from retclip.store.states import LabelSource, SegmentStatus


@dataclass(frozen=True)
class SegmentPage:
    """A page of segments in the order of their storing.

    ids: of the segments.
    next: the cursor of the page that follows, None after the last one.
    """

    ids: tuple[UUID, ...]
    next: str | None = None


@dataclass(frozen=True)
class ListedSegment:
    """A segment in a list: what it is called, who says so, where it is from, and what the list says of it.

    image: the external id of its image.
    image_uri, image_sha256: where the photo was, and the digest of its file.
    box: x0, y0, x1, y1, in pixels of the upright image, x1 and y1 exclusive.
    score: the proposer's objectness, [0, 1].
    run: the one that made its mask.
    distance: cosine distance, [0, 2], to what was searched; None without a search by vector.
    trust: of its label, [0, 1], as of the last audit; None where the store does not know it.
    suggested: the class that an audit would give it, "" for none.
    note: whatever else the list says of it.
    """

    id: UUID
    class_name: str
    dataset: str
    image: str
    image_uri: str
    image_sha256: str
    box: tuple[int, int, int, int]
    label_source: LabelSource
    state: SegmentStatus
    score: float
    run: int
    distance: float | None = None
    trust: float | None = None
    suggested: str = ""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON and for a list in CSV: the id is `segment`, the class name `class`."""
        return {
            "segment": str(self.id), "class": self.class_name, "dataset": self.dataset, "image": self.image,
            "photo": self.image_uri, "box": list(self.box), "label_source": str(self.label_source),
            "state": str(self.state), "score": self.score, "run": self.run, "distance": self.distance,
            "trust": self.trust, "suggested": self.suggested, "note": self.note, "image_sha256": self.image_sha256,
        }  # fmt: skip


@dataclass(frozen=True)
class FoundPage:
    """A page of the segments nearest to a vector, nearest first, equal ones in the order of their storing.

    ids: of the segments.
    distances: cosine distances, [0, 2], of the archive's vectors.
    next: the cursor of the page that follows, None after the last one.
    exact: whether the answer is proven to be complete; False where a graph was walked, in a very large store.
    """

    ids: tuple[UUID, ...]
    distances: tuple[float, ...]
    next: str | None = None
    exact: bool = True
