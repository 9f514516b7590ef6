"""Vectors of segments for questions: from the archive, and where that cannot be read from the index, with a warning.

An index holds the vectors of the archive, rounded once more: two distances are at most some 5e-7 apart. It answers what
is near while the archive is damaged, too, and so it does what belongs to the same answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.errors import StoreDamaged, StoreError
from retclip.store.archive.shards import Archive

Indexed = Callable[[int, Sequence[UUID]], Mapping[UUID, NDArray[np.float32]]]
log = logging.getLogger(__name__)


class ReadableVectors:
    """Reads vectors of segments.

    indexed: reads what the index of a space, by its row, holds of some ids: (d,) float32 each.
    """

    def __init__(self, archive: Archive, indexed: Indexed) -> None:
        self._archive, self._indexed = archive, indexed
        self._told: set[tuple[int, str]] = set()  # space and fault of the warnings so far

    def every(self, rows: Sequence[Any], space_id: int, dim: int) -> NDArray[np.float32]:
        """Read vectors (n, d) float32 of unit length. Raises StoreDamaged if one can be read nowhere.

        rows: of SQL, with point_id and the place of the vector.
        """
        try:
            return self._archive.vectors(rows, dim)
        except StoreDamaged as error:
            found = self._elsewhere(rows, space_id, dim, error)
            if len(found) < len(rows):
                raise
            return np.stack([found[row.point_id] for row in rows])

    def some(self, rows: Sequence[Any], space_id: int, dim: int) -> NDArray[np.float32]:
        """Read vectors (m, d) float32 of unit length, without those that can be read nowhere. Raises StoreDamaged if
        none can."""
        try:
            return self._archive.vectors(rows, dim)
        except StoreDamaged as error:
            found = self._elsewhere(rows, space_id, dim, error)
            if not found:
                raise
            return np.stack([found[row.point_id] for row in rows if row.point_id in found])

    def _elsewhere(
        self, rows: Sequence[Any], space_id: int, dim: int, error: StoreDamaged
    ) -> dict[UUID, NDArray[np.float32]]:
        """Read what can be read of vectors that the archive does not hold whole."""
        found: dict[UUID, NDArray[np.float32]] = {}
        try:
            held = self._indexed(space_id, [row.point_id for row in rows])
        except StoreError:  # the archive's own fault has the cure
            held = {}
        for row in rows:
            vector = held.get(row.point_id)
            if vector is not None:
                found[row.point_id] = vector / np.linalg.norm(vector)
                continue
            try:
                found[row.point_id] = self._archive.vectors([row], dim)[0]
            except StoreDamaged:
                continue
        if found and (space_id, error.got) not in self._told:
            self._told.add((space_id, error.got))
            log.warning(
                "negative examples are compared by vectors of the index, %d of %d, not by those of the archive: "
                "expected %s; got %s. To mend it: %s",
                len(found), len(rows), error.expected, error.got, error.todo,
            )  # fmt: skip
        return found
