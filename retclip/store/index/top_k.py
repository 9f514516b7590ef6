"""The k largest inner products, exactly: the answer of a full product in float64, rounded to float32 and sorted; of
equal ones the smaller `order` first. So equal vectors have equal products, whatever product found them.

Candidates first. A quick product (float32, or bfloat16) of all keys gives rough scores, each within a known e of the
truth. If s is the k-th best rough score, the k-th best true score is at least s - e, so whatever is among the k best
has a rough score of at least s - 2e. Those candidates are scored again in float64. A query that has more of them than
fit is searched again by the finer product, and at last among all that reach the limit, however many.

Block maxima. One product gives all scores; what costs is finding the best of hundreds of thousands in a row. So the
scores are reduced to the maxima of small blocks of columns (`block_maxima`). The k best of a row always lie in the k
blocks with the largest maxima: a block that is not among them is beaten by k other blocks, each of which holds an
element larger than all of its own. Only those blocks are looked at again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from retclip.store.index.block_maxima import above_kth, block_maxima, in_blocks
from retclip.store.index.coarse_keys import Coarse, coarse_error, distances
from retclip.store.index.exact_products import best, fine_error, product, rescored

BLOCK = 64  # columns per maximum
CHUNK = 2048 * BLOCK  # columns per product: 100 queries x 131,072 float32 scores are 52 MB
SPARE = 80  # candidates kept beyond k; of 200,000 random directions 26 are needed on average, in 300 queries 53 at most
SPARE_FINE = 16  # the same of a float32 product, which leaves hardly anything open but equal vectors
COPIED = 4  # where fewer than one in so many keys may be found, these are copied, and the others not multiplied


def exact_top_k(
    queries: Tensor,
    keys: Tensor,
    k: int,
    coarse: Coarse | None = None,
    allowed: Tensor | None = None,
    order: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the k largest inner products of each query with the keys: values and columns (q, k), largest first.

    queries: (q, d) float32.
    keys: (n, d) float32 of unit length.
    k: at most as many as there are keys that may be found.
    coarse: of the same keys; then the queries must be of unit length, too.
    allowed: (n,) bool, the keys that may be found; None = all.
    order: (n,) int64, of keys with equal products the smaller comes first; None = the column.
    Raises RowsDamaged for a key that is not what its copy was made of.
    """
    if allowed is not None and COPIED * int(allowed.sum()) < len(keys):
        chosen = allowed.nonzero()[:, 0]  # (m,)
        fewer = coarse.of_rows(chosen) if coarse is not None else None
        ranks = chosen if order is None else order[chosen]
        values, columns = exact_top_k(queries, keys[chosen], k, fewer, None, ranks)
        return values, chosen[columns]
    rows, columns = _candidates(queries, keys, k, coarse, allowed)
    values = rescored(queries, keys, rows, columns, None if coarse is None else coarse.sums)
    return best(rows, columns, values, order, k, len(queries))


def _candidates(
    queries: Tensor, keys: Tensor, k: int, coarse: Coarse | None, allowed: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Collect rows and columns (m,) of all that may be among the k best of a query."""
    width = min(len(keys), k + (SPARE_FINE if coarse is None else SPARE))
    if coarse is None:
        rough, columns = _top_k(queries, keys, width, allowed)  # (q, width)
        error = fine_error(queries)  # (q,)
    else:
        rounded = queries.bfloat16()
        rough, columns = _top_k(rounded, coarse.keys, width, allowed)
        error = coarse_error(rough[:, k - 1], distances(queries, rounded), coarse.rounding, keys.shape[1])
    limit = rough[:, k - 1] - 2 * error  # (q,)
    crowded = rough[:, -1] >= limit if width < len(keys) else torch.zeros_like(limit, dtype=torch.bool)  # (q,)
    rows, places = ((rough >= limit[:, None]) & ~crowded[:, None]).nonzero(as_tuple=True)  # (m,)
    parts, again = [(rows, columns[rows, places])], crowded.nonzero()[:, 0]
    if coarse is not None and len(again):
        coarse.sums.hold_all(keys)  # a product of all would pass over one that was damaged
        rows, columns = _candidates(queries[again], keys, k, None, allowed)
        parts.append((again[rows], columns))
    elif len(again):
        parts += [_all_candidates(queries, keys, k, allowed, row) for row in again]
    all_rows, all_columns = (torch.cat(pieces) for pieces in zip(*parts, strict=True))
    return all_rows, all_columns


def _all_candidates(
    queries: Tensor, keys: Tensor, k: int, allowed: Tensor | None, row: Tensor
) -> tuple[Tensor, Tensor]:
    """Collect the candidates of one query, however many there are."""
    query = queries[row][None]
    scores = product(query, keys)  # (1, n)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    found = above_kth(scores, k, lambda _: fine_error(query))
    return found.rows + row, found.columns


def _top_k(queries: Tensor, keys: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Find the k best values (q, k) in float32, whatever precision the products have, and columns; -inf if not
    allowed."""
    hidden = None
    if allowed is not None:
        hidden = torch.zeros(len(keys), dtype=queries.dtype, device=keys.device).masked_fill(~allowed, -torch.inf)
    best_values, best_columns = [], []
    for start in range(0, len(keys), CHUNK):
        scores = product(queries, keys[start : start + CHUNK])  # (q, chunk)
        if hidden is not None:
            scores += hidden[start : start + CHUNK]
        values, columns = _block_top_k(scores, k)
        best_values.append(values)
        best_columns.append(columns + start)
    values, columns = torch.cat(best_values, dim=1), torch.cat(best_columns, dim=1)
    top, places = values.topk(k, dim=1)
    return top, columns.gather(1, places)


def _block_top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k largest of each row, at most all of them, by way of block maxima."""
    queries, width = scores.shape
    blocks = width // BLOCK
    if blocks <= k:
        values, columns = scores.float().topk(min(k, width), dim=1)
        return values, columns
    grouped = in_blocks(scores, BLOCK)  # (q, BLOCK, b)
    chosen = block_maxima(grouped).float().topk(k, dim=1, sorted=False).indices  # (q, k) blocks
    candidates = grouped.gather(2, chosen[:, None].expand(-1, BLOCK, -1)).reshape(queries, BLOCK * k)
    rest = scores[:, blocks * BLOCK :]  # (q, r), r < BLOCK
    values, places = torch.cat([candidates, rest], dim=1).float().topk(k, dim=1)
    inside = places // k * blocks + chosen.gather(1, places % k)
    return values, torch.where(places < k * BLOCK, inside, places - k * BLOCK + blocks * BLOCK)
