"""Exact search over a copy of the vectors held on the compute device (torch): recall 1, no graph, no file.

Where the device multiplies bfloat16 faster than float32, a bfloat16 copy is searched first and only what may be among
the k best is compared exactly; see `retclip.store.index.top_k` for why nothing is lost. What may not be found,
because its class was not requested or it is hidden, is masked in the scores. Of equal products the smaller id comes
first, so that an answer does not depend on the order in which the points came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.store.index.coarse_keys import Coarse, bfloat16_is_faster
from retclip.store.index.protocol import CLASS, PAYLOAD, REVISION, STATE, Hits, Points, check_points, empty_hits
from retclip.store.index.top_k import exact_top_k, exact_top_k_per_group

COARSE_FROM = 16_384  # rows from which a first pass in bfloat16 is worth its copy
FIRST = 1024  # rows of the first allocation
FLOAT_ROUNDING = 2.0**-17  # of a float32 distance, generously: sums of float64, lengths rounded twice


class ResidentIndex:
    """All vectors in memory, float32, in the order they came; a removed row is overwritten by the last one."""

    rounding = FLOAT_ROUNDING

    def __init__(self, dim: int, device: str = "cpu") -> None:
        self.dim, self.device = dim, torch.device(device)
        self._vectors = torch.zeros(FIRST, dim, device=self.device)
        self._payload = np.zeros((FIRST, len(PAYLOAD)), dtype=np.int64)
        self._ids = np.full(FIRST, None, dtype=object)
        self._row: dict[UUID, int] = {}
        self._coarse: Coarse | None = None  # bfloat16 copy of the rows in use, made on the first large search
        self._ranks: Tensor | None = None  # of the rows' ids, made on the first search

    def upsert(self, points: Points) -> None:
        """See VectorIndex."""
        check_points(points, self.dim)
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
            self._coarse = self._ranks = None
            values = torch.from_numpy(points.vectors[sources]).to(self.device, torch.float32)
            self._vectors[torch.tensor(rows, device=self.device)] = values / values.norm(dim=1, keepdim=True)

    def delete(self, ids: Sequence[UUID]) -> None:
        """See VectorIndex."""
        self._coarse = self._ranks = None
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
        where = {"st": [0]} if classes is None else {"st": [0], "cat": classes}
        return self.search_where(queries, k, where)

    def search_where(
        self,
        queries: Tensor,
        k: int,
        where: Mapping[str, Sequence[int]],
        exact: bool = True,  # noqa: ARG002
    ) -> Hits:
        """See VectorIndex: always exact."""
        allowed = np.ones(len(self._row), dtype=bool)
        for key, values in where.items():
            column = self._payload[: len(self._row), PAYLOAD.index(key)]
            allowed &= np.isin(column, np.asarray(values, dtype=np.int64))
        total = int(allowed.sum())
        if not total or not len(queries):
            return empty_hits(len(queries), k)
        every, coarse = total == len(allowed), self._coarse_keys(total)
        mask = None if every else torch.from_numpy(allowed).to(self.device)
        on_device, vectors = queries.to(self.device, torch.float32), self._vectors[: len(self._row)]
        return self._hits(*exact_top_k(on_device, vectors, min(k, total), coarse, mask, self._order()), k)

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """See VectorIndex: one product, and of it the best of each class."""
        visible, labels = self._visible(), self._payload[: len(self._row), CLASS]
        members = [torch.from_numpy(np.flatnonzero(visible & (labels == category))) for category in classes]
        if not any(map(len, members)) or not len(queries):
            return empty_hits(len(queries), k * len(classes))
        on_device, vectors = queries.to(self.device, torch.float32), self._vectors[: len(self._row)]
        groups = [rows.to(self.device) for rows in members]
        values, columns = exact_top_k_per_group(on_device, vectors, k, groups, self._order())  # (q, c, k)
        values, columns = values.flatten(1), columns.flatten(1)  # (q, c * k)
        order = self._order()[columns.clamp(min=0)]
        by = torch.from_numpy(np.lexsort([order.cpu().numpy(), -values.cpu().numpy()], axis=1)).to(self.device)
        return self._hits(values.gather(1, by), columns.gather(1, by), k * len(classes))

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """See VectorIndex."""
        for point_id, row in list(self._row.items()):
            yield point_id, self._payload[row].copy()

    def filtered(self, category: int, state: int) -> Iterator[UUID]:
        """See VectorIndex."""
        payload = self._payload[: len(self._row)]
        rows = (payload[:, CLASS] == category) & (payload[:, STATE] == state)
        yield from self._ids[: len(self._row)][rows]

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """See VectorIndex."""
        rows = {point_id: self._row[point_id] for point_id in ids if point_id in self._row}
        return {point_id: self._vectors[row].cpu().numpy().copy() for point_id, row in rows.items()}

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

    def _visible(self) -> NDArray[np.bool_]:
        """Mark the rows that may be found at all: (n,) bool."""
        visible: NDArray[np.bool_] = self._payload[: len(self._row), STATE] == 0
        return visible

    def _hits(self, similarities: Tensor, columns: Tensor, width: int) -> Hits:
        """Turn similarities and columns, (q, m) nearest first, -inf and -1 for none, into hits."""
        hits, width_found = empty_hits(len(columns), width), columns.shape[1]
        places, distances = columns.cpu().numpy(), (1.0 - similarities).clamp(min=0.0).cpu().numpy()
        some = places >= 0
        hits.ids[:, :width_found] = np.where(some, self._ids[places], None)
        hits.classes[:, :width_found] = np.where(some, self._payload[places, CLASS], -1)
        hits.distances[:, :width_found] = np.where(some, np.minimum(distances, 2.0), np.inf)
        return hits

    def _order(self) -> Tensor:
        """Rank the rows by their ids: (n,) int64."""
        if self._ranks is None:
            packed = b"".join(point_id.bytes for point_id in self._ids[: len(self._row)])
            halves = np.frombuffer(packed, dtype=">u8").reshape(-1, 2)
            ranks = np.empty(len(halves), dtype=np.int64)
            ranks[np.lexsort([halves[:, 1], halves[:, 0]])] = np.arange(len(halves))
            self._ranks = torch.from_numpy(ranks).to(self.device)
        return self._ranks

    def _coarse_keys(self, searched: int) -> Coarse | None:
        """Make the bfloat16 copy, once; None if it does not pay."""
        if searched < COARSE_FROM or not bfloat16_is_faster(str(self.device), self.dim):
            return None
        if self._coarse is None:
            self._coarse = Coarse.of(self._vectors[: len(self._row)])
        return self._coarse
