"""The negative examples beside the neighbours of a question: their vectors come from the archive, compared exactly;
where it is damaged from the index, which found the neighbours (`readable_vectors`).

Negative examples are few, so they are no index's affair: one small product, of vectors that are read once for each
state of the history. The neighbours of their classes are measured again as they are, decorrelated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, select

from retclip.store.archive.vector_rows import PLACE, with_place
from retclip.store.history import rejections
from retclip.store.segments.decorrelations import Decorrelations
from retclip.store.segments.readable_vectors import ReadableVectors
from retclip.store.sql.catalog import rows_in
from retclip.store.sql.tables import Segment
from retclip.store.sql.transactions import Transactions
from retclip.types import Negatives, Neighbours

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class _Stored:
    """Every negative example that has a vector in a space. vectors: (m, d) float32 of unit length."""

    ids: NDArray[np.object_]
    categories: tuple[int, ...]
    vectors: NDArray[np.float32]


class NegativeExamples:
    """Finds how near the negative examples are, of a store and its history as it is now."""

    def __init__(self, transactions: Transactions, readable: ReadableVectors) -> None:
        self._catalog, self._readable = transactions, readable
        self._decorrelations = Decorrelations(transactions, readable)
        self._read: dict[int, tuple[tuple[int, int, int], _Stored]] = {}

    def beside(
        self, near: Neighbours, vectors: Tensor, store_classes: Sequence[int | None], space_id: int
    ) -> Neighbours:
        """Return the neighbours of vectors with the negative examples of their classes.

        vectors: (n, d) float32 of unit length.
        store_classes: per vocabulary class its row in the catalog, None without one.
        """
        stored = self._stored(space_id, vectors.shape[1])
        places = [
            (row, index)
            for row, category in enumerate(stored.categories)
            for index, asked in enumerate(store_classes)
            if asked == category
        ]
        if not places:
            return near
        rows, classes = (list(column) for column in zip(*places, strict=True))
        import torch  # here: the command line opens stores without it

        from retclip.algorithms.decorrelation import decorrelated

        matrix = self._decorrelations.of_space(space_id, vectors.shape[1]).to(vectors.device)
        asked = decorrelated(vectors.float(), matrix)  # (n, d)
        against = decorrelated(torch.from_numpy(stored.vectors[rows]).to(vectors.device), matrix)  # (m, d)
        owners = torch.tensor(classes, device=vectors.device)
        negatives = Negatives(stored.ids[rows], owners, (1.0 - asked @ against.T).clamp(0.0, 2.0))
        again = self._of_neighbours(near, asked, matrix, owners, space_id)
        return replace(near, negatives=negatives, decorrelated=again)

    def _of_neighbours(self, near: Neighbours, asked: Tensor, matrix: Tensor, classes: Tensor, space_id: int) -> Tensor:
        """Return (n, k) the decorrelated distance of the neighbours of these classes, inf of others.

        asked: (n, d) float32 of unit length, the vectors that were asked, decorrelated.
        """
        import torch

        from retclip.algorithms.decorrelation import decorrelated

        answer = torch.full_like(near.distances, torch.inf)
        of_class = torch.isin(near.classes, classes.to(near.classes.device))  # (n, k)
        ids = near.ids[of_class.cpu().numpy()]
        found = self._catalog.read(_places, list(dict.fromkeys(ids)), space_id)
        if not found:
            return answer
        column = {row.point_id: number for number, row in enumerate(found)}
        table = torch.from_numpy(self._readable.every(found, space_id, len(matrix))).to(asked)
        table = decorrelated(table, matrix)  # (s, d)
        distances = torch.nn.functional.pad((1.0 - asked @ table.T).clamp(0.0, 2.0), (0, 1), value=torch.inf)
        columns = torch.tensor([column.get(segment, -1) for segment in ids], device=asked.device)
        rows = of_class.nonzero()[:, 0].to(asked.device)
        answer[of_class] = distances[rows, columns].to(answer)
        return answer

    def _stored(self, space_id: int, dim: int) -> _Stored:
        now, kept = self._catalog.read(rejections.state), self._read.get(space_id)
        if kept is None or kept[0] != now:
            known, rows = self._catalog.read(_rejected, space_id)
            ids = np.empty(len(known), dtype=object)
            ids[:] = [rejection.point_id for rejection in known]
            vectors = self._readable.every(rows, space_id, dim)
            kept = now, _Stored(ids, tuple(rejection.category for rejection in known), vectors)
            self._read[space_id] = kept
        return kept[1]


def _rejected(connection: Connection, space_id: int) -> tuple[list[rejections.Rejection], list[Any]]:
    """Read the rejections of segments that have a vector in a space, with the places of these."""
    every = rejections.rejections(connection)
    segments = sorted({rejection.segment for rejection in every})
    places = {row.point_id: row for row in rows_in(connection, _with_places(space_id), Segment.id, segments)}
    kept = [rejection for rejection in every if rejection.point_id in places]
    return kept, [places[rejection.point_id] for rejection in kept]


def _places(connection: Connection, ids: Sequence[UUID], space_id: int) -> list[Any]:
    return list(rows_in(connection, _with_places(space_id), Segment.point_id, ids))


def _with_places(space_id: int) -> Select[Any]:
    return with_place(select(Segment.point_id, *PLACE).select_from(Segment), space_id)
