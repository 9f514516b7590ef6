"""Vectors in memory, sorted by class, and exact search among them. They do not change.

Sorted by class, each class is one run of rows: the best of each class are found by one product (`top_k_per_slice`), and
what is not asked for is mostly not multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.algorithms.precision import bfloat16_is_faster
from retclip.store.index.coarse_keys import Coarse
from retclip.store.index.exact_products import nearest_first
from retclip.store.index.protocol import CLASS, PAYLOAD, STATE
from retclip.store.index.top_k import exact_top_k
from retclip.store.index.top_k_per_slice import exact_top_k_per_slice

COARSE_FROM = 16_384  # rows from which a first pass in bfloat16 is worth its copy


@dataclass(frozen=True, eq=False)
class NearRows:
    """The rows nearest to each query, nearest first.

    similarities: (q, m) float32, -inf for none.
    ids: (q, m, 2) uint64, the halves of each id.
    classes: (q, m) int64, -1 for none.
    points: (q, m) object, the id as UUID; anything for none.
    """

    similarities: NDArray[np.float32]
    ids: NDArray[np.uint64]
    classes: NDArray[np.int64]
    points: NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class SortedRows:
    """Rows by class. Use `of`.

    ids: (n, 2) uint64, the halves of each id.
    payload: (n, 6) int64, columns as in PAYLOAD; the first ascends.
    vectors: (n, d) float32 of unit length.
    ranks: (n,) int64, of the ids.
    coarse: the vectors in bfloat16, where it pays.
    """

    ids: NDArray[np.uint64]
    payload: NDArray[np.int64]
    vectors: Tensor
    ranks: Tensor
    coarse: Coarse | None
    starts: Mapping[int, slice] = field(init=False)  # the rows of each class
    _points: NDArray[np.object_] = field(init=False)  # (n,) the UUID of each row that was ever found
    _is_made: NDArray[np.bool_] = field(init=False)  # (n,) whether it was

    def __post_init__(self) -> None:
        classes, first = np.unique(self.payload[:, CLASS], return_index=True)
        bounds = [*first.tolist(), len(self.payload)]
        object.__setattr__(self, "starts", dict(zip(classes.tolist(), map(slice, bounds, bounds[1:]), strict=True)))
        object.__setattr__(self, "_points", np.zeros(len(self.ids), dtype=object))
        object.__setattr__(self, "_is_made", np.zeros(len(self.ids), dtype=bool))

    @classmethod
    def of(cls, ids: NDArray[np.uint64], payload: NDArray[np.int64], vectors: Tensor) -> SortedRows:
        """Sort a copy of rows."""
        order = np.argsort(payload[:, CLASS], kind="stable")
        ids, payload, vectors = ids[order], payload[order], vectors[torch.from_numpy(order).to(vectors.device)]
        ranks = torch.from_numpy(ranks_of(ids)).to(vectors.device)
        return cls(ids, payload, vectors, ranks, coarse_of(vectors))

    def __len__(self) -> int:
        return len(self.ids)

    def nearest(self, queries: Tensor, k: int, allowed: NDArray[np.bool_]) -> NearRows:
        """Find the k nearest of the allowed rows: (q, up to k). Raises RowsDamaged.

        allowed: (n,) bool.
        """
        total = int(allowed.sum())
        if not total or not len(queries):
            return _none(len(queries))
        mask = None if total == len(allowed) else torch.from_numpy(allowed).to(self.vectors.device)
        similarities, columns = exact_top_k(queries, self.vectors, min(k, total), self.coarse, mask, self.ranks)
        return self._rows(similarities.cpu().numpy(), columns.cpu().numpy())

    def nearest_per_class(
        self, queries: Tensor, k: int, classes: Sequence[int], allowed: NDArray[np.bool_]
    ) -> NearRows:
        """Find the k nearest of the allowed rows of each class: (q, classes * k), nearest first over all. Raises
        RowsDamaged."""
        slices = [self.starts[category] for category in sorted(set(classes)) if category in self.starts]
        if not slices or not len(queries):
            return _none(len(queries))
        every = all(bool(allowed[part].all()) for part in slices)
        mask = None if every else torch.from_numpy(allowed).to(self.vectors.device)
        similarities, columns = exact_top_k_per_slice(
            queries, self.vectors, k, slices, self.coarse, mask, self.ranks
        )  # (q, c, k)
        values, places = similarities.flatten(1).cpu().numpy(), columns.flatten(1).cpu().numpy()  # (q, c * k)
        by = np.argsort(nearest_first(values, self.ranks.cpu().numpy()[places]), axis=1)
        return self._rows(np.take_along_axis(values, by, axis=1), np.take_along_axis(places, by, axis=1))

    def hold_all(self) -> None:
        """Hold every vector to its sum, where it is to be believed only then. Raises RowsDamaged."""
        if self.coarse is not None:
            self.coarse.sums.hold_all(self.vectors)

    def allowed(self, where: Mapping[str, Sequence[int]]) -> NDArray[np.bool_]:
        """Mark the rows whose integers are among the allowed ones, see `VectorIndex.search_where`: (n,) bool."""
        marked = np.ones(len(self), dtype=bool)
        for key, values in where.items():
            marked &= np.isin(self.payload[:, PAYLOAD.index(key)], np.asarray(values, dtype=np.int64))
        return marked

    def visible(self) -> NDArray[np.bool_]:
        """Mark the rows that a search may find: (n,) bool."""
        marked: NDArray[np.bool_] = self.payload[:, STATE] == 0
        return marked

    def _rows(self, similarities: NDArray[np.float32], columns: NDArray[np.int64]) -> NearRows:
        classes = np.where(columns >= 0, self.payload[columns, CLASS], -1)
        return NearRows(similarities, self.ids[columns], classes, self.points(columns))

    def points(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the ids of rows, of any shape. An object a row is made once: the same ones are near many queries."""
        wanted = np.zeros(len(self), dtype=bool)
        wanted[rows] = True
        missing = np.flatnonzero(wanted & ~self._is_made)
        high, low = self.ids[missing].T.tolist()  # two lists: one for each id would set the garbage collector to work
        self._points[missing] = [UUID(int=first << 64 | last) for first, last in zip(high, low, strict=True)]
        self._is_made[missing] = True
        return self._points[rows]


def merged(parts: Sequence[NearRows], k: int) -> NearRows:
    """Merge the nearest of several sets of rows to the k nearest of all; of equal ones the smaller id first."""
    if len(parts) == 1:
        return parts[0]
    names = ("similarities", "ids", "classes", "points")
    return _first(NearRows(*(np.concatenate([getattr(part, name) for part in parts], axis=1) for name in names)), k)


def merged_per_class(parts: Sequence[NearRows], k: int) -> NearRows:
    """Merge the k nearest of each class in several sets of rows to the k nearest of each class in all."""
    if len(parts) == 1:
        return parts[0]
    width = sum(part.classes.shape[1] for part in parts)
    every = merged(parts, width)
    place = np.zeros(every.classes.shape, dtype=np.int64)  # among those of its class
    for row, classes in enumerate(every.classes):
        by = np.argsort(classes, kind="stable")
        place[row, by] = np.arange(width) - np.searchsorted(classes[by], classes[by])
    similarities = np.where(place < k, every.similarities, np.float32(-np.inf))
    return _first(NearRows(similarities, every.ids, np.where(place < k, every.classes, -1), every.points), width)


def _first(near: NearRows, k: int) -> NearRows:
    """Sort the nearest first, and keep k."""
    keys = (near.ids[..., 1], near.ids[..., 0], -near.similarities)
    by = np.lexsort(keys, axis=1)[:, :k]  # the last key counts first
    return NearRows(
        np.take_along_axis(near.similarities, by, axis=1),
        np.take_along_axis(near.ids, by[..., None], axis=1),
        np.take_along_axis(near.classes, by, axis=1),
        np.take_along_axis(near.points, by, axis=1),
    )


def ranks_of(ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rank ids, given in halves (n, 2): (n,)."""
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[np.lexsort([ids[:, 1], ids[:, 0]])] = np.arange(len(ids))
    return ranks


def coarse_of(vectors: Tensor) -> Coarse | None:
    """Make a bfloat16 copy of vectors (n, d); None if it does not pay."""
    if len(vectors) < COARSE_FROM or not bfloat16_is_faster(str(vectors.device), vectors.shape[1]):
        return None
    return Coarse.of(vectors)


def _none(queries: int) -> NearRows:
    shape = queries, 0
    ids, points = np.zeros((*shape, 2), np.uint64), np.zeros(shape, object)
    return NearRows(np.zeros(shape, np.float32), ids, np.zeros(shape, np.int64), points)
