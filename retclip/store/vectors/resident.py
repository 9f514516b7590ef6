"""Exact search over a copy of the vectors held on the compute device (torch): recall 1, no graph, no file.

Where the device multiplies bfloat16 faster than float32, a bfloat16 copy is searched first and only what may be among
the k best is compared in float32; see `retclip.store.vectors.top_k` for why nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.store.vectors import CLASS, PAYLOAD, REVISION, STATE, Hits, Points, check_points, empty_hits
from retclip.store.vectors.top_k import Coarse, bfloat16_is_faster, exact_top_k

COARSE_FROM = 16_384  # rows from which a first pass in bfloat16 is worth its copy
FIRST = 1024  # rows of the first allocation


class ResidentIndex:
    """All vectors in memory, float32, in the order they came; a removed row is overwritten by the last one."""

    def __init__(self, dim: int, device: str = "cpu") -> None:
        self.dim, self.device = dim, torch.device(device)
        self._vectors = torch.zeros(FIRST, dim, device=self.device)
        self._payload = np.zeros((FIRST, len(PAYLOAD)), dtype=np.int64)
        self._ids = np.full(FIRST, None, dtype=object)
        self._row: dict[UUID, int] = {}
        self._coarse: Coarse | None = None  # bfloat16 copy of the rows in use, made on the first large search

    def upsert(self, points: Points) -> None:
        """See VectorIndex."""
        check_points(points, self.dim)
        self._coarse = None
        rows, sources = [], []
        for n, point_id in enumerate(points.ids):
            row = self._row.get(point_id)
            if row is None:
                row = self._append(point_id)
            elif self._payload[row, REVISION] >= points.payload[n, REVISION]:
                continue
            self._payload[row] = points.payload[n]
            rows.append(row)
            sources.append(n)
        if rows:
            values = torch.from_numpy(points.vectors[sources]).to(self.device, torch.float32)
            self._vectors[torch.tensor(rows, device=self.device)] = values / values.norm(dim=1, keepdim=True)

    def delete(self, ids: Sequence[UUID]) -> None:
        """See VectorIndex."""
        self._coarse = None
        for point_id in ids:
            row = self._row.pop(point_id, None)
            if row is None:
                continue
            last = len(self._row)
            if row != last:
                moved = self._ids[last]
                self._ids[row], self._row[moved] = moved, row
                self._payload[row] = self._payload[last]
                self._vectors[row] = self._vectors[last]
            self._ids[last] = None

    def search(self, queries: Tensor, k: int, classes: Sequence[int] | None = None) -> Hits:
        """See VectorIndex."""
        return self._search(queries, k, self._allowed(classes))

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """See VectorIndex."""
        parts = [self._search(queries, k, self._allowed([one])) for one in classes]
        if not parts:
            return empty_hits(len(queries), 0)
        joined = [np.concatenate([getattr(part, name) for part in parts], axis=1) for name in Hits.__dataclass_fields__]
        order = np.argsort(joined[2], axis=1, kind="stable")
        return Hits(*(np.take_along_axis(array, order, axis=1) for array in joined))

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """See VectorIndex."""
        for point_id, row in list(self._row.items()):
            yield point_id, self._payload[row].copy()

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """See VectorIndex."""
        return {one: self._vectors[self._row[one]].cpu().numpy().copy() for one in ids if one in self._row}

    def count(self) -> int:
        """See VectorIndex."""
        return len(self._row)

    def graph(self) -> None:
        """None: an exact search needs none."""

    def keep_up(self) -> None:
        """See `graph`."""

    def optimize(self) -> None:
        """See `graph`."""

    def close(self) -> None:
        """Give the memory back."""
        self.__init__(self.dim, str(self.device))  # type: ignore[misc]

    def _append(self, point_id: UUID) -> int:
        row = len(self._row)
        if row == len(self._ids):  # doubling keeps the cost of growth constant per point
            self._vectors = torch.cat([self._vectors, torch.zeros_like(self._vectors)])
            self._payload = np.concatenate([self._payload, np.zeros_like(self._payload)])
            self._ids = np.concatenate([self._ids, np.full_like(self._ids, None)])
        self._ids[row], self._row[point_id] = point_id, row
        return row

    def _allowed(self, classes: Sequence[int] | None) -> NDArray[np.int64] | None:
        """Rows that may be found, None where all may."""
        payload = self._payload[: len(self._row)]
        allowed = payload[:, STATE] == 0
        if classes is not None:
            allowed &= np.isin(payload[:, CLASS], np.asarray(classes, dtype=np.int64))
        return None if allowed.all() else np.flatnonzero(allowed)

    def _search(self, queries: Tensor, k: int, rows: NDArray[np.int64] | None) -> Hits:
        total = len(self._row) if rows is None else len(rows)
        found = min(k, total)
        hits = empty_hits(len(queries), k)
        if not found or not len(queries):
            return hits
        keys, coarse = self._vectors[: len(self._row)], self._coarse_keys(total)
        if rows is not None:
            chosen = torch.from_numpy(rows).to(self.device)
            keys, coarse = keys[chosen], Coarse(coarse.keys[chosen], coarse.rounding) if coarse else None
        similarities, columns = exact_top_k(queries.to(self.device, torch.float32), keys, found, coarse)
        places = columns.cpu().numpy()
        places = places if rows is None else rows[places]
        hits.ids[:, :found] = self._ids[places]
        hits.classes[:, :found] = self._payload[places, CLASS]
        hits.distances[:, :found] = (1.0 - similarities).clamp(0.0, 2.0).cpu().numpy()
        return hits

    def _coarse_keys(self, searched: int) -> Coarse | None:
        """The bfloat16 copy, where it pays."""
        if searched < COARSE_FROM or not bfloat16_is_faster(str(self.device), self.dim):
            return None
        if self._coarse is None:
            self._coarse = Coarse.of(self._vectors[: len(self._row)])
        return self._coarse
