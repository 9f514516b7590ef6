"""The k largest inner products with each of several slices of keys, exactly, by one product: see `top_k`.

Keys sorted by class have a slice for each class. A slice's scores are searched while they are still in the processor's
cache, so all classes cost hardly more than the product of all keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from retclip.store.index.block_maxima import above_kth
from retclip.store.index.coarse_keys import Coarse, coarse_error, distances
from retclip.store.index.exact_products import best, fine_error, product, rescored

SPAN = 8192  # keys of one product, unless a slice has more
GAP = 512  # keys between two slices that are multiplied for nothing rather than apart
CROWDED = 64  # candidates for each of the k, on average, from which the finer product leaves fewer


def exact_top_k_per_slice(
    queries: Tensor,
    keys: Tensor,
    k: int,
    slices: Sequence[slice],
    coarse: Coarse | None = None,
    allowed: Tensor | None = None,
    order: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the k largest inner products of each query with each slice of keys: values and columns (q, g, k), largest
    first, -inf and -1 if a slice has fewer than k.

    queries: (q, d) float32.
    keys: (n, d) float32 of unit length.
    slices: of the keys, ascending, without overlap; one may be empty.
    coarse: of the same keys; then the queries must be of unit length, too.
    allowed: (n,) bool, the keys that may be found; None = all.
    order: (n,) int64, of keys with equal products the smaller comes first; None = the column.
    """
    hidden = None
    if allowed is not None:
        hidden = torch.zeros(len(keys), device=keys.device).masked_fill(~allowed, -torch.inf)
    search = _Search(queries, keys, k, coarse, hidden)
    none = torch.zeros(0, dtype=torch.int64, device=keys.device)
    cells, columns = [none], [none]
    for batch in _batches(slices):
        part_cells, part_columns = search.candidates(slices, batch)
        cells.append(part_cells)
        columns.append(part_columns)
    cell, column = torch.cat(cells), torch.cat(columns)
    values = rescored(queries, keys, cell // max(1, len(slices)), column)
    top, where = best(cell, column, values, order, k, len(queries) * len(slices))
    return top.view(len(queries), len(slices), k), where.view(len(queries), len(slices), k)


class _Search:
    """Queries and keys, exact and rounded."""

    def __init__(self, queries: Tensor, keys: Tensor, k: int, coarse: Coarse | None, hidden: Tensor | None) -> None:
        self.exact, self.k, self.coarse, self.hidden = (queries, keys), k, coarse, hidden
        self.fine = fine_error(queries)  # (q,)
        if coarse is not None:
            self.rounded = queries.bfloat16(), coarse.keys
            self.rounding = distances(queries, self.rounded[0])  # (q,)

    def candidates(self, slices: Sequence[slice], batch: range) -> tuple[Tensor, Tensor]:
        """Collect cells, query * g + slice, and columns (m,) of all that may be among the k best of a query in one of
        some neighbouring slices."""
        if (coarse := self.coarse) is not None:

            def error(kth: Tensor) -> Tensor:
                return coarse_error(kth, self.rounding, coarse.rounding, coarse.keys.shape[1])

            cells, columns = self._above(slices, batch, *self.rounded, error)
            if len(cells) <= CROWDED * self.k * len(batch) * len(self.fine):
                return cells, columns
        return self._above(slices, batch, *self.exact, lambda _: self.fine)

    def _above(
        self, slices: Sequence[slice], batch: range, queries: Tensor, keys: Tensor, error: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """See `candidates`; error: of the scores, see `above_kth`."""
        span, cells, columns = slice(slices[batch[0]].start, slices[batch[-1]].stop), list[Tensor](), list[Tensor]()
        scores = product(queries, keys[span])  # (q, w)
        if self.hidden is not None:
            scores += self.hidden[span].to(scores.dtype)
        for number in batch:
            start, stop = slices[number].start, slices[number].stop
            rows, places = above_kth(
                scores[:, start - span.start : stop - span.start], min(self.k, stop - start), error
            )
            cells.append(rows * len(slices) + number)
            columns.append(places + start)
        return torch.cat(cells), torch.cat(columns)


def _batches(slices: Sequence[slice]) -> Iterator[range]:
    """Group neighbouring slices, so that a product is neither tiny nor larger than the cache."""
    first = 0
    for number in range(1, len(slices) + 1):
        if (
            number == len(slices)
            or slices[number].stop - slices[first].start > SPAN
            or slices[number].start - slices[number - 1].stop > GAP
        ):
            yield range(first, number)
            first = number
