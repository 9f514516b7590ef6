"""Feature spaces, and vectors that are added to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.store.states import GapReason
from retclip.types import FeatureSpace


@dataclass(frozen=True)
class SpaceState:
    """How complete a space is, and its index.

    segments: living segments with a vector in the space.
    lacking: those that have none yet.
    without: those that were let go without one.
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
        """Living segments."""
        return self.segments + self.lacking + self.without

    @property
    def complete(self) -> bool:
        """Whether the space may be asked."""
        return not self.lacking


@dataclass(frozen=True)
class StoredPhoto:
    """An image whose segments lack vectors. size: (H, W)."""

    id: int
    sha256: str
    external_id: str
    uri: str
    size: tuple[int, int]


@dataclass(frozen=True)
class StoredMask:
    """A segment that lacks a vector.

    rle: COCO compressed counts.
    mask_no: which of the segment's masks it is.
    accepted: it was let go without one, as its photo could not be used; should that be back, it is made up for.
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
    without: masks that are let go without a vector.
    reason: why they are; None where there are none.
    """

    masks: tuple[StoredMask, ...]
    vectors: NDArray[np.float32]
    without: tuple[StoredMask, ...] = ()
    reason: GapReason | None = None


@dataclass(frozen=True)
class VectorMaker:
    """The run that made a vector, with its components by role. None, empty: nobody knows."""

    run: int | None
    components: Mapping[str, Any]
