"""Vectors in memory, in the order they came; a removed row is overwritten by the last one."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.store.index.protocol import PAYLOAD, REVISION

FIRST = 1024  # rows of the first allocation


class GrowingRows:
    """ids, payload and vectors are (n, 2) uint64, (n, 6) int64 and (n, d) float32 on the device."""

    def __init__(self, dim: int, device: torch.device) -> None:
        self._vectors = torch.zeros(FIRST, dim, device=device)
        self._payload = np.zeros((FIRST, len(PAYLOAD)), dtype=np.int64)
        self._ids = np.zeros((FIRST, 2), dtype=np.uint64)
        self._row: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, point_id: UUID) -> bool:
        return point_id.bytes in self._row

    @property
    def ids(self) -> NDArray[np.uint64]:
        """The halves of each id."""
        return self._ids[: len(self)]

    @property
    def payload(self) -> NDArray[np.int64]:
        """The integers of each row."""
        return self._payload[: len(self)]

    @property
    def vectors(self) -> Tensor:
        """The vectors."""
        return self._vectors[: len(self)]

    def row(self, point_id: UUID) -> int | None:
        """Find the row of a point."""
        return self._row.get(point_id.bytes)

    def place(self, point_id: UUID, payload: NDArray[np.int64]) -> int | None:
        """Put a point's integers in its row, a new one if need be; returns the row, None if what is there is as new."""
        row = self._row.get(point_id.bytes)
        if row is None:
            row = self._append(point_id)
        elif self._payload[row, REVISION] >= payload[REVISION]:
            return None
        self._payload[row] = payload
        return row

    def set_vectors(self, rows: list[int], vectors: Tensor) -> None:
        """Write the vectors (m, d) of rows."""
        self._vectors[torch.tensor(rows, device=self._vectors.device)] = vectors

    def remove(self, point_id: UUID) -> bool:
        """Remove a point; tells whether it was there."""
        row = self._row.pop(point_id.bytes, None)
        if row is None:
            return False
        last = len(self._row)
        if row != last:
            self._ids[row], self._payload[row] = self._ids[last], self._payload[last]
            self._vectors[row] = self._vectors[last]
            self._row[self._ids[row].astype(">u8").tobytes()] = row
        return True

    def points(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """Read every id and its integers."""
        for packed, row in list(self._row.items()):
            yield UUID(bytes=packed), self._payload[row].copy()

    def _append(self, point_id: UUID) -> int:
        row = len(self._row)
        if row == len(self._ids):  # doubling keeps the cost of growth constant per point
            self._vectors = torch.cat([self._vectors, torch.zeros_like(self._vectors)])
            self._payload = np.concatenate([self._payload, np.zeros_like(self._payload)])
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
        self._ids[row] = point_id.int >> 64, point_id.int & (1 << 64) - 1  # they sort as the id does
        self._row[point_id.bytes] = row
        return row
