"""The k largest inner products with each of several slices of keys, exactly, by one product: see `top_k`.

Keys sorted by class have a slice for each class. A slice's scores are searched while they are still in the processor's
cache, so all classes cost hardly more than the product of all keys.

What costs beside it is to score candidates exactly: so first those that are likely to be among the k best, and of the
others only what is still within the error of the k-th best of those, which is then known exactly: e below it, not 2e.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from retclip.store.index.block_maxima import Candidates, above_kth
from retclip.store.index.coarse_keys import Coarse, coarse_error, distances
from retclip.store.index.exact_products import best, fine_error, product, rescored

SPAN = 16_384  # keys of one product, unless a slice has more
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
    Raises RowsDamaged for a key that is not what its copy was made of.
    """
    hidden = None
    if allowed is not None:
        hidden = torch.zeros(len(keys), device=keys.device).masked_fill(~allowed, -torch.inf)
    search = _Search(queries, keys, k, coarse, hidden)
    found = search.candidates(slices)
    cell, column, likely = found.rows, found.columns, found.likely  # (m,) each
    sums = None if coarse is None else coarse.sums
    groups, values = max(1, len(slices)), torch.full_like(found.scores, -torch.inf)  # (m,)
    values[likely] = rescored(queries, keys, cell[likely] // groups, column[likely], sums)
    cells = len(queries) * len(slices)
    kth = best(cell[likely], column[likely], values[likely], order, k, cells)[0][:, -1]  # (q * g,)
    limits = kth - search.error(kth.view(len(queries), len(slices)).T).T.flatten()  # (q * g,)
    rest = ~likely & (found.scores >= limits[cell])  # (m,)
    values[rest] = rescored(queries, keys, cell[rest] // groups, column[rest], sums)
    known = likely | rest  # (m,)
    top, where = best(cell[known], column[known], values[known], order, k, cells)
    return top.view(len(queries), len(slices), k), where.view(len(queries), len(slices), k)


class _Search:
    """Queries and keys, exact and rounded."""

    def __init__(self, queries: Tensor, keys: Tensor, k: int, coarse: Coarse | None, hidden: Tensor | None) -> None:
        self.exact, self.k, self.coarse, self.hidden = (queries, keys), k, coarse, hidden
        self.fine = fine_error(queries)  # (q,)
        if coarse is not None:
            self.rounded = queries.bfloat16(), coarse.keys
            self.rounding = distances(queries, self.rounded[0])  # (q,)

    def error(self, scores: Tensor) -> Tensor:
        """Bound how far a candidate's score near those, (..., q), may be from the truth, whichever product found it."""
        if self.coarse is None:
            return self.fine.expand_as(scores)
        return torch.maximum(self._coarse_error(scores), self.fine)

    def candidates(self, slices: Sequence[slice]) -> Candidates:
        """Collect all that may be among the k best of a query in a slice; rows are cells, query * g + slice, columns
        those of the keys."""
        none = torch.zeros(0, dtype=torch.int64, device=self.fine.device)
        parts = [(none, none, none.float(), none.bool())]
        for batch in _batches(slices):
            for number, found in zip(batch, self._of_batch(slices, batch), strict=True):
                cells, columns = found.rows * len(slices) + number, found.columns + slices[number].start
                parts.append((cells, columns, found.scores, found.likely))
        return Candidates(*map(torch.cat, zip(*parts, strict=True)))

    def _of_batch(self, slices: Sequence[slice], batch: range) -> list[Candidates]:
        """Collect the candidates in each of some neighbouring slices; columns from its start."""
        if self.coarse is not None:
            found = self._above(slices, batch, *self.rounded, self._coarse_error)
            if sum(len(each.rows) for each in found) <= CROWDED * self.k * len(batch) * len(self.fine):
                return found
            span = slice(slices[batch[0]].start, slices[batch[-1]].stop)
            self.coarse.sums.hold_all(self.exact[1], span)  # a product of all would pass over one that was damaged
        return self._above(slices, batch, *self.exact, lambda _: self.fine)

    def _above(
        self, slices: Sequence[slice], batch: range, queries: Tensor, keys: Tensor, error: Callable[[Tensor], Tensor]
    ) -> list[Candidates]:
        """See `_of_batch`; error: of the scores, see `above_kth`."""
        span = slice(slices[batch[0]].start, slices[batch[-1]].stop)
        scores = product(queries, keys[span])  # (q, w)
        if self.hidden is not None:
            scores += self.hidden[span].to(scores.dtype)
        parts = (slice(slices[number].start - span.start, slices[number].stop - span.start) for number in batch)
        return [above_kth(scores[:, part], min(self.k, part.stop - part.start), error) for part in parts]

    def _coarse_error(self, scores: Tensor) -> Tensor:
        """Bound how far coarse scores near those, (..., q), may be from the true ones."""
        if self.coarse is None:
            raise ValueError("no rounded keys")  # the caller knows
        return coarse_error(scores, self.rounding, self.coarse.rounding, self.coarse.keys.shape[1])


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
