"""The decorrelation of a feature space, of vectors that a store has in it (`retclip.algorithms.decorrelation`).

It is of the SAMPLED segments with the smallest ids, which are digests, whatever their state and their labels: a sample
by chance that corrections leave as it is. So an answer without some segments is measured by the same metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from retclip.store.archive.vector_rows import PLACE, with_place
from retclip.store.history import rejections
from retclip.store.segments.readable_vectors import ReadableVectors
from retclip.store.sql.tables import Outbox, Segment
from retclip.store.sql.transactions import Transactions

if TYPE_CHECKING:
    from torch import Tensor

SAMPLED = 4096

State = tuple[int, ...]


class Decorrelations:
    """Computes the decorrelation of each space once, and again where other vectors are in its sample."""

    def __init__(self, transactions: Transactions, readable: ReadableVectors) -> None:
        self._catalog, self._readable = transactions, readable
        self._kept: dict[int, tuple[State, Sequence[Any], Tensor]] = {}

    def of_space(self, space_id: int, dim: int) -> Tensor:
        """Return (d, d) float32 of a space with at least one vector. dim: d. Raises StoreDamaged."""
        now, kept = self._catalog.read(state_of_vectors), self._kept.get(space_id)
        if kept is None or kept[0] != now:
            places = self._catalog.read(_places, space_id)
            unchanged = kept is not None and kept[1] == places
            matrix = kept[2] if kept is not None and unchanged else self._computed(places, space_id, dim)
            kept = self._kept[space_id] = now, places, matrix
        return kept[2]

    def _computed(self, places: Sequence[Any], space_id: int, dim: int) -> Tensor:
        import torch  # here: the command line opens stores without it

        from retclip.algorithms.decorrelation import decorrelation

        return decorrelation(torch.from_numpy(self._readable.some(places, space_id, dim)))


def state_of_vectors(connection: Connection) -> State:
    """Read what changes whenever a segment, its label or its vector does."""
    outbox = connection.execute(select(func.coalesce(func.max(Outbox.id), 0))).scalar_one()
    return int(outbox), *rejections.state(connection)


def _places(connection: Connection, space_id: int) -> list[Any]:
    query = with_place(select(Segment.point_id, *PLACE).select_from(Segment), space_id)
    return list(connection.execute(query.order_by(Segment.point_id).limit(SAMPLED)))
