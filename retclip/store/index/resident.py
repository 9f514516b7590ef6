"""Exact search over a copy of the vectors held on the compute device (torch): recall 1, no graph.

Most rows are sorted by class and do not change (`sorted_rows`); what was written since then stands beside them
(`growing_rows`) and is searched, too, until it is so much that all are sorted again. Where the device multiplies
bfloat16 faster than float32, a bfloat16 copy is searched first and only what may be among the k best is compared
exactly; see `retclip.store.index.top_k` for why nothing is lost. What may not be found, because its class was not
requested or it is hidden, is masked in the scores. Of equal products the smaller id comes first, so that an answer does
not depend on the order in which the points came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.store.index.growing_rows import GrowingRows
from retclip.store.index.protocol import CLASS, REVISION, STATE, Hits, Points, check_points, empty_hits
from retclip.store.index.sorted_rows import NearRows, SortedRows, merged, merged_per_class

FLOAT_ROUNDING = 2.0**-17  # of a float32 distance, generously: sums of float64, lengths rounded twice
BESIDE = 16_384  # rows that may stand beside the sorted ones,
SHARE = 32  # or one in so many of those


class ResidentIndex:
    """All vectors in memory, float32.

    rows: what it holds to begin with, on the device; not changed.
    """

    rounding = FLOAT_ROUNDING

    def __init__(self, dim: int, device: str = "cpu", rows: SortedRows | None = None) -> None:
        self.dim, self.device = dim, torch.device(device)
        self._sorted = rows
        self._gone = np.zeros(len(rows) if rows else 0, dtype=bool)  # sorted rows that were removed or written anew
        self._row: dict[bytes, int] | None = None  # of the sorted rows, made for the first write
        self._new = GrowingRows(dim, self.device)
        self._new_sorted: SortedRows | None = None  # made for the first search after a write

    def upsert(self, points: Points) -> None:
        """See VectorIndex."""
        check_points(points, self.dim)
        rows, sources = [], []
        for n, point_id in enumerate(points.ids):
            old = self._sorted_row(point_id)
            if old is not None and self._revision(old) >= points.payload[n, REVISION]:
                continue
            row = self._new.place(point_id, points.payload[n])
            if row is not None:
                rows.append(row)
                sources.append(n)
            if old is not None:
                self._gone[old] = True
        if rows:
            self._new_sorted = None
            values = torch.from_numpy(points.vectors[sources]).to(self.device, torch.float32)
            self._new.set_vectors(rows, values / values.norm(dim=1, keepdim=True))

    def delete(self, ids: Sequence[UUID]) -> None:
        """See VectorIndex."""
        for point_id in ids:
            if self._new.remove(point_id):
                self._new_sorted = None
            elif (row := self._sorted_row(point_id)) is not None:
                self._gone[row] = True

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
        on_device = queries.to(self.device, torch.float32)
        near = self._of_parts(lambda rows, alive: rows.nearest(on_device, k, rows.allowed(where) & alive))
        return _hits(merged(list(near), k), k)

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """See VectorIndex: one product, and of it the best of each class."""
        on_device, width = queries.to(self.device, torch.float32), k * len(classes)
        near = self._of_parts(lambda rows, alive: rows.nearest_per_class(on_device, k, classes, rows.visible() & alive))
        return _hits(merged_per_class(list(near), k), width)

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """See VectorIndex."""
        if self._sorted is not None:
            rows = np.flatnonzero(~self._gone)
            yield from zip(_uuids(self._sorted.ids[rows]), self._sorted.payload[rows], strict=True)
        yield from self._new.points()

    def filtered(self, category: int, state: int) -> Iterator[UUID]:
        """See VectorIndex."""
        parts = [(self._new.ids, self._new.payload, np.ones(len(self._new), dtype=bool))]
        if self._sorted is not None:
            parts.append((self._sorted.ids, self._sorted.payload, ~self._gone))
        for ids, payload, alive in parts:
            rows = (payload[:, CLASS] == category) & (payload[:, STATE] == state) & alive
            yield from _uuids(ids[rows])

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """See VectorIndex."""
        held = {}
        for point_id in ids:
            if (row := self._new.row(point_id)) is not None:
                held[point_id] = self._new.vectors[row].cpu().numpy().copy()
            elif self._sorted is not None and (row := self._sorted_row(point_id)) is not None:
                held[point_id] = self._sorted.vectors[row].cpu().numpy().copy()
        return held

    def count(self) -> int:
        """See VectorIndex."""
        return len(self._gone) - int(self._gone.sum()) + len(self._new)

    def graph(self) -> None:
        """None: an exact search needs none."""

    def keep_up(self) -> None:
        """See `graph`."""

    def optimize(self) -> None:
        """See `graph`."""

    def close(self) -> None:
        """Give the memory back."""
        self.__init__(self.dim, str(self.device))  # type: ignore[misc]

    def hold_all(self) -> None:
        """Hold the vectors that were kept to their sums: `vectors` reads them as they are. Raises RowsDamaged."""
        if self._sorted is not None:
            self._sorted.hold_all()

    def sort(self) -> SortedRows:
        """Sort all rows by class, and return them. Raises RowsDamaged."""
        ids, payload, vectors = self._new.ids, self._new.payload, self._new.vectors
        self.hold_all()
        if self._sorted is not None:
            alive = np.flatnonzero(~self._gone)
            ids = np.concatenate([self._sorted.ids[alive], ids])
            payload = np.concatenate([self._sorted.payload[alive], payload])
            vectors = torch.cat([self._sorted.vectors[torch.from_numpy(alive).to(self.device)], vectors])
        rows = SortedRows.of(ids, payload, vectors)
        self.__init__(self.dim, str(self.device), rows)  # type: ignore[misc]
        return rows

    def is_sorted(self) -> bool:
        """Tell whether few rows stand beside the sorted ones."""
        return max(len(self._new), int(self._gone.sum())) <= max(BESIDE, len(self._gone) // SHARE)

    def _of_parts(self, search: Callable[[SortedRows, NDArray[np.bool_]], NearRows]) -> Iterator[NearRows]:
        """Search among the sorted rows, and among those beside them."""
        if not self.is_sorted():
            self.sort()
        if self._new_sorted is None:
            self._new_sorted = SortedRows.of(self._new.ids, self._new.payload, self._new.vectors)
        if self._sorted is not None:
            yield search(self._sorted, ~self._gone)
        if len(self._new_sorted) or self._sorted is None:
            yield search(self._new_sorted, np.ones(len(self._new_sorted), dtype=bool))

    def _sorted_row(self, point_id: UUID) -> int | None:
        """Find the sorted row of a point."""
        if self._sorted is None:
            return None
        if self._row is None:
            packed = self._sorted.ids.astype(">u8").tobytes()
            self._row = {packed[16 * row : 16 * row + 16]: row for row in range(len(self._sorted))}
        row = self._row.get(point_id.bytes)
        return None if row is None or self._gone[row] else row

    def _revision(self, row: int) -> int:
        """Read the revision of a sorted row."""
        return -1 if self._sorted is None else int(self._sorted.payload[row, REVISION])


def _hits(near: NearRows, width: int) -> Hits:
    """Turn the nearest rows into hits, `width` places for each query."""
    hits, some = empty_hits(len(near.classes), width), near.classes[:, :width] >= 0
    count = some.shape[1]
    hits.ids[:, :count] = np.where(some, near.points[:, :width], np.array(None))
    hits.classes[:, :count] = np.where(some, near.classes[:, :width], -1)
    distances = np.clip(np.float32(1) - near.similarities[:, :width], 0.0, 2.0)
    hits.distances[:, :count] = np.where(some, distances, np.inf)
    return hits


def _uuids(ids: NDArray[np.uint64]) -> Iterator[UUID]:
    for high, low in ids.tolist():
        yield UUID(int=high << 64 | low)
