"""What classifiers read of a store beside the k nearest segments of all classes (`contracts.Classifier`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class NeighbourWants:
    """What one classifier reads, or several together.

    per_class: so many neighbours of each class; 0 = of all classes together.
    trust: the trust in each neighbour's label.
    vectors: each neighbour's vector.
    prototypes: so many prototypes of each class; 0 = none.
    """

    per_class: int
    trust: bool
    vectors: bool
    prototypes: int

    @classmethod
    def of(cls, classifiers: Iterable[object]) -> NeighbourWants:
        """Return what the classifiers say of themselves; one that says nothing wants nothing."""
        several = tuple(classifiers)
        return cls(
            max((getattr(one, "neighbours_per_class", 0) for one in several), default=0),
            any(getattr(one, "reads_trust", False) for one in several),
            any(getattr(one, "reads_vectors", False) for one in several),
            max((getattr(one, "prototypes_per_class", 0) for one in several), default=0),
        )
