"""Trust in the labels of stored segments: what it is computed from, what is kept, and what people read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DOUBTFUL = 0.5  # trust below which another class is nearer


@dataclass(frozen=True, eq=False)
class JudgedSegments:
    """The visible segments with a vector in a space, by ascending row.

    ids: n UUIDs.
    rows: (n,) int64 of the catalog.
    categories: (n,) int64 rows of their classes.
    images: (n,) int64 rows of their photos.
    datasets: (n,) int64 rows of their photos' data sets.
    revs: (n,) int64 revisions.
    vectors: (n, d) float32 of unit length.
    """

    ids: tuple[UUID, ...]
    rows: NDArray[np.int64]
    categories: NDArray[np.int64]
    images: NDArray[np.int64]
    datasets: NDArray[np.int64]
    revs: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TrustRow:
    """The trust of a segment as it is kept.

    segment: its row.
    rev: its revision when it was judged.
    category: the row of the class that it had then.
    trust: in [0, 1]; None: there was nothing to compare it with.
    own: mean cosine distance to the nearest of its class; None: none in another photo.
    other: the same to the suggested class; None: no other class.
    suggested: the row of the nearest other class.
    """

    segment: int
    rev: int
    category: int
    trust: float | None
    own: float | None
    other: float | None
    suggested: int | None


@dataclass(frozen=True)
class TrustState:
    """How far the trust of a space is from what is stored now.

    segments: visible segments with a vector in the space.
    judged: those that have a trust of their present revision, or are known to have none.
    gone: rows of segments that are not visible any more, or changed since.
    """

    segments: int
    judged: int
    gone: int

    @property
    def current(self) -> bool:
        """Tell whether nothing changed since it was computed: one other label may change the trust of any neighbour."""
        return self.judged == self.segments and not self.gone


@dataclass(frozen=True)
class JudgedLabel:
    """The trust in the label of a segment, for people.

    trust: in [0, 1]; None: there was nothing to compare it with.
    own_distance: mean cosine distance to the nearest of its class, in [0, 2].
    other_distance: the same to the suggested class.
    suggested: the nearest other class.
    """

    id: UUID
    class_name: str
    trust: float | None
    own_distance: float | None
    other_distance: float | None
    suggested: str | None


@dataclass(frozen=True)
class DoubtedLabel:
    """The doubt in the label of a segment, for people.

    doubt: how likely the label is wrong, [0, 1].
    suggested: the likeliest other class.
    """

    id: UUID
    class_name: str
    doubt: float
    suggested: str
