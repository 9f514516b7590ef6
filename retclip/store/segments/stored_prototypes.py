"""The prototypes of a store's classes, of its visible segments as they are now; segments rejected for their own label
are left out.

They are kept from one question to the next. Whether anything changed is read from the newest rows of outbox, events and
facts; where these moved, the checksums of each class's segments tell which class is to be computed again. So a
correction costs its own classes, and a photo nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from retclip.store.archive.shards import Archive
from retclip.store.archive.vector_rows import PLACE, with_place
from retclip.store.history import rejections
from retclip.store.segments.decorrelations import State, state_of_vectors
from retclip.store.sql.catalog import joined, visible
from retclip.store.sql.tables import Segment, SegmentFeature
from retclip.store.sql.transactions import Transactions
from retclip.types import ClassPrototypes

if TYPE_CHECKING:
    from torch import Tensor

MEMBERS = 8  # of a prototype that are named: a mean is of thousands


@dataclass(frozen=True, eq=False)
class _OfClass:
    """The prototypes of a class.

    state: of its segments when they were computed.
    vectors: (p, d) float32 of unit length.
    sizes: how many segments each is made of.
    members: the nearest of these.
    """

    state: State
    vectors: NDArray[np.float32]
    sizes: tuple[int, ...] = ()
    members: tuple[tuple[UUID, ...], ...] = ()


class StoredPrototypes:
    """Finds how near the prototypes of classes are, of a store as it is now."""

    def __init__(self, transactions: Transactions, archive: Archive) -> None:
        self._catalog, self._archive = transactions, archive
        self._read: dict[int, State] = {}  # by space: when the classes below were last compared with the store
        self._kept: dict[tuple[int, int], dict[int, _OfClass]] = {}  # by space and count, then by class

    def near(self, vectors: Tensor, store_classes: Sequence[int | None], count: int, space_id: int) -> ClassPrototypes:
        """Return the prototypes of the vocabulary's classes with their distances to vectors.

        vectors: (n, d) float32 of unit length.
        store_classes: per vocabulary class its row in the catalog, None without one.
        count: prototypes of each class, at least 1.
        """
        import torch  # here: the command line opens stores without it

        asked = sorted({category for category in store_classes if category is not None})
        kept = self._of_classes(asked, count, space_id, vectors.shape[1]) if asked else {}
        places = [(index, kept[category]) for index, category in enumerate(store_classes) if category is not None]
        rows = [np.zeros((0, vectors.shape[1]), dtype=np.float32), *(each.vectors for _, each in places)]
        against = torch.from_numpy(np.concatenate(rows)).to(vectors.device)  # (p, d)
        owners = [index for index, each in places for _ in each.sizes]
        members = np.full((len(owners), MEMBERS), None, dtype=object)
        for row, ids in enumerate(ids for _, each in places for ids in each.members):
            members[row, : len(ids)] = ids
        return ClassPrototypes(
            torch.tensor(owners, dtype=torch.int64, device=vectors.device),
            torch.tensor([size for _, each in places for size in each.sizes], dtype=torch.int64),
            members,
            (1.0 - vectors.float() @ against.T).clamp(0.0, 2.0),
        )

    def _of_classes(self, asked: Sequence[int], count: int, space_id: int, dim: int) -> dict[int, _OfClass]:
        kept, now = self._kept.setdefault((space_id, count), {}), self._catalog.read(state_of_vectors)
        if self._read.get(space_id) != now:
            states = self._catalog.read(_states, space_id)
            for classes in (classes for (space, _), classes in self._kept.items() if space == space_id):
                for category in [key for key, each in classes.items() if states.get(key, ()) != each.state]:
                    del classes[category]
            self._read[space_id] = now
        lacking = [category for category in asked if category not in kept]
        if lacking:
            states = self._catalog.read(_states, space_id)
            for category in lacking:
                kept[category] = self._computed(category, states.get(category, ()), count, space_id, dim)
        return kept

    def _computed(self, category: int, state: State, count: int, space_id: int, dim: int) -> _OfClass:
        from retclip.algorithms.prototypes import prototypes

        ids, vectors = self._catalog.read(_segments, self._archive, category, space_id, dim)
        found = prototypes(vectors, count)
        table = np.stack([each.vector for each in found]) if found else np.zeros((0, dim), dtype=np.float32)
        members = tuple(tuple(ids[row] for row in each.members[:MEMBERS]) for each in found)
        return _OfClass(state, table, tuple(len(each.members) for each in found), members)


def _states(connection: Connection, space_id: int) -> dict[int, State]:
    """Map each class with visible segments to what changes whenever these or their vectors do."""
    columns: tuple[Any, ...] = (
        Segment.category_id, func.count(), func.sum(Segment.seal), func.sum(SegmentFeature.seal),
    )  # fmt: skip
    counted = with_place(joined(select(*columns).select_from(Segment)), space_id).where(visible())
    states = {
        row[0]: [int(value or 0) for value in row[1:]] for row in connection.execute(counted.group_by(columns[0]))
    }
    for known in rejections.rejections(connection):
        if known.category == known.label and known.label in states:
            states[known.label].append(known.segment)
    return {category: tuple(values) for category, values in states.items()}


def _segments(
    connection: Connection, archive: Archive, category: int, space_id: int, dim: int
) -> tuple[list[UUID], NDArray[np.float32]]:
    """Read the ids and the vectors (m, d) of a class's visible segments, by ascending row."""
    query = with_place(joined(select(Segment.id, Segment.point_id, *PLACE).select_from(Segment)), space_id)
    query = query.where(visible(), Segment.category_id == category).order_by(Segment.id)
    rejected = set(rejections.not_of_own_class(connection))
    rows = [row for row in connection.execute(query) if row.id not in rejected]
    return [row.point_id for row in rows], archive.vectors(rows, dim)
