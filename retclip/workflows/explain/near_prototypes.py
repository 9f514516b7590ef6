"""Which prototypes were nearest to a mask, and the stored segments that they are made of, as they are stored now."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import torch

from retclip.evidence import Evidence
from retclip.quantities import quantity
from retclip.store.feature_store import FeatureStore
from retclip.store.records import StoredSegment

SHOWN = 3  # classes, beside that of the label


@dataclass(frozen=True)
class PrototypeMember:
    """A stored segment that a prototype is made of. stored: as it is stored now, None where it is gone."""

    id: UUID
    stored: StoredSegment | None


@dataclass(frozen=True)
class NearPrototype:
    """The prototype of a class that is nearest to a mask: a class scores by its nearest alone.

    class_name: of the vocabulary.
    number, of: which of the class's prototypes it is, from 1 on, and how many the class has.
    distance: cosine distance of the mask.
    size: how many stored segments it is made of.
    members: those of them that are nearest to it, nearest first; not all where there are many.
    """

    class_name: str
    number: int
    of: int
    distance: float
    size: int
    members: tuple[PrototypeMember, ...]

    def told(self, members: int) -> str:
        """Return it in one line. members: how many of them are named at most."""
        which = f"{self.number} of {self.of}" if self.of > 1 else "the mean"
        named = [str(member.id)[:8] + ("" if member.stored else " (gone)") for member in self.members[:members]]
        more = ", ..." if self.size > len(named) else ""
        made_of = f"of {quantity(self.size, 'segment')}, {', '.join(named)}{more}"
        return f"{self.class_name}, {which}, at {self.distance:.4f}: {made_of}"


def near_prototypes(store: FeatureStore | None, evidence: Evidence, n: int, label: str) -> tuple[NearPrototype, ...]:
    """Return the nearest prototype of each of the nearest classes and of the label, nearest first.

    n: the mask.
    label: its class.
    """
    near = evidence.neighbours.prototypes if evidence.neighbours else None
    if near is None or not bool(torch.isfinite(near.distances[n]).all()):  # a mask without a vector
        return ()
    owners, names = near.classes.tolist(), evidence.vocabulary.names
    first = dict[int, int]()  # by class its nearest prototype, the nearest class first
    for place in torch.argsort(near.distances[n], stable=True).tolist():
        first.setdefault(owners[place], place)
    shown = [pair for rank, pair in enumerate(first.items()) if rank < SHOWN or names[pair[0]] == label]
    ids = [segment for _, place in shown for segment in near.members[place] if segment is not None]
    stored = store.segments.get(ids) if store else {}
    return tuple(
        NearPrototype(
            names[owner], place - owners.index(owner) + 1, owners.count(owner), float(near.distances[n, place]),
            int(near.sizes[place]),
            tuple(PrototypeMember(segment, stored.get(segment)) for segment in near.members[place] if segment),
        )
        for owner, place in shown
    )  # fmt: skip
