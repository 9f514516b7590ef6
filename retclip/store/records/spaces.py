"""Feature spaces, and vectors that are added to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from retclip.store.states import GapReason
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SpaceState:
    """The state of a space and its index.

    segments: living segments with a vector in the space.
    lacking: living segments whose vector is missing.
    without: living segments whose vector is waived.
    index: the name of its index.
    pending: changes that the index still has to follow.
    """

    space: FeatureSpace
    segments: int
    lacking: int
    without: int
    index: str
    pending: int

    @property
    def total(self) -> int:
        """Count the living segments."""
        return self.segments + self.lacking + self.without

    @property
    def complete(self) -> bool:
        """Tell whether the space may be asked: no vector is missing."""
        return not self.lacking


@dataclass(frozen=True)
class StoredPhoto:
    """An image with a segment whose vector is missing.

    size: (H, W) in pixels of the upright image.
    """

    id: int
    sha256: str
    external_id: str
    uri: str
    size: tuple[int, int]


@dataclass(frozen=True)
class StoredMask:
    """A segment whose vector is missing.

    rle: COCO compressed counts.
    mask_no: which of the segment's masks it is.
    accepted: its vector is waived, because its photo could not be used; if the photo is back, the vector is made.
    """

    id: int
    point_id: UUID
    class_name: str
    rle: bytes
    mask_no: int
    accepted: bool


@dataclass(frozen=True, eq=False)
class AddedVectors:
    """Vectors for masks of one photo.

    vectors: (n, d) float32 of unit length, a row per mask of `masks`.
    waived: masks whose vector is waived.
    reason: of the waiver; None without one.
    """

    masks: tuple[StoredMask, ...]
    vectors: NDArray[np.float32]
    waived: tuple[StoredMask, ...] = ()
    reason: GapReason | None = None


@dataclass(frozen=True)
class VectorMaker:
    """The run that made a vector.

    run: None if unknown.
    components: by role; empty if unknown.
    """

    run: int | None
    components: Mapping[str, Any]
