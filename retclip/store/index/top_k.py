"""The k largest inner products, exactly: the answer of a full product in float64, rounded to float32 and sorted; of
equal ones the smaller `order` first. So equal vectors have equal products, whatever product found them.

Candidates first. A quick product (float32, or bfloat16) of all keys gives rough scores, each within a known e of the
truth. If s is the k-th best rough score, the k-th best true score is at least s - e, so whatever is among the k best
has a rough score of at least s - 2e. Those candidates are scored again in float64. A query that has more of them than
fit is searched again by the finer product, and at last among all that reach the limit, however many.

Block maxima. One product gives all scores; what costs is finding the best of hundreds of thousands in a row. So the
scores are reduced to the maxima of small blocks of columns. The k best of a row always lie in the k blocks with the
largest maxima: a block that is not among them is beaten by k other blocks, each of which holds an element larger than
all of its own. Only those blocks are looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from retclip.store.index.coarse_keys import Coarse, coarse_error, distances

BLOCK = 64  # columns per maximum
CHUNK = 2048 * BLOCK  # columns per product: 100 queries x 131,072 float32 scores are 52 MB
SCORES = 1 << 25  # of a product that is kept whole: 128 MB of float32
PAIRS = 1 << 14  # keys scored in float64 at once
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
    """
    if allowed is not None and COPIED * int(allowed.sum()) < len(keys):
        chosen = allowed.nonzero()[:, 0]  # (m,)
        fewer = Coarse(coarse.keys[chosen], coarse.rounding) if coarse is not None else None
        ranks = chosen if order is None else order[chosen]
        values, columns = exact_top_k(queries, keys[chosen], k, fewer, None, ranks)
        return values, chosen[columns]
    rows, columns = _candidates(queries, keys, k, coarse, allowed)
    values = _rescored(queries, keys, rows, columns)
    return _best(rows, columns, values, order, k, len(queries))


def exact_top_k_per_group(
    queries: Tensor, keys: Tensor, k: int, groups: Sequence[Tensor], order: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Find the k largest inner products of each query with each group of keys, by one product: values and columns
    (q, g, k), largest first, -inf and -1 if a group has fewer than k.

    queries: (q, d) float32.
    keys: (n, d) float32 of unit length.
    groups: (m_i,) int64 columns each.
    order: (n,) int64, of keys with equal products the smaller comes first; None = the column.
    """
    every = torch.cat([*groups, torch.zeros(0, dtype=torch.int64, device=keys.device)])  # (m,)
    if COPIED * len(every) < len(keys):
        places = _parts(torch.arange(len(every), device=keys.device), groups)
        ranks = every if order is None else order[every]
        values, columns = exact_top_k_per_group(queries, keys[every], k, places, ranks)
        return values, torch.cat([every, every.new_tensor([-1])])[columns]  # the last one is what -1 stands for
    cells, columns = _candidates_per_group(queries, keys, k, groups)
    values = _rescored(queries, keys, cells // max(1, len(groups)), columns)
    best, where = _best(cells, columns, values, order, k, len(queries) * len(groups))
    return best.view(len(queries), len(groups), k), where.view(len(queries), len(groups), k)


def _candidates_per_group(queries: Tensor, keys: Tensor, k: int, groups: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Collect cells, query * g + group, and columns (m,) of all that may be among the k best of a query and a group."""
    every = torch.cat([*groups, torch.zeros(0, dtype=torch.int64, device=keys.device)])  # (m,)
    cells, columns, step = [every[:0]], [every[:0]], max(1, SCORES // max(1, len(keys)))
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        scores, error = _product(part, keys).index_select(1, every), _fine_error(part)  # (b, m), (b,)
        for number, (group, own) in enumerate(zip(groups, _parts(scores, groups), strict=True)):
            rows, places = _above_kth(own, min(k, len(group)), error)
            cells.append((rows + start) * len(groups) + number)
            columns.append(group[places])
    return torch.cat(cells), torch.cat(columns)


def _parts(array: Tensor, groups: Sequence[Tensor]) -> Sequence[Tensor]:
    """Split the last axis of an array into parts as long as the groups."""
    return torch.split(array, [len(group) for group in groups], dim=-1)


def _fine_error(queries: Tensor) -> Tensor:
    """Bound how far a float32 product with a unit vector, rounded in the end, may be from the truth, (q,): the bound of
    the sum, and that of quick products if the program has set torch to them."""
    quick = 2.0**-7 if _quick_products() else 0.0
    lengths: Tensor = torch.linalg.vector_norm(queries, dim=1)
    return lengths * ((queries.shape[1] + 2) * 2.0**-23 + quick)


def _quick_products() -> bool:
    """Tell whether float32 products may be made of rounded numbers. Assumed if torch refuses to say, as it does once
    its settings per backend (`fp32_precision`) were touched; it costs time, not answers."""
    try:
        return torch.get_float32_matmul_precision() != "highest"
    except RuntimeError:
        return True


def _candidates(
    queries: Tensor, keys: Tensor, k: int, coarse: Coarse | None, allowed: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Collect rows and columns (m,) of all that may be among the k best of a query."""
    width = min(len(keys), k + (SPARE_FINE if coarse is None else SPARE))
    if coarse is None:
        rough, columns = _top_k(queries, keys, width, allowed)  # (q, width)
        error = _fine_error(queries)  # (q,)
    else:
        rounded = queries.bfloat16()
        rough, columns = _top_k(rounded, coarse.keys, width, allowed)
        error = coarse_error(rough[:, k - 1], distances(queries, rounded), coarse.rounding, keys.shape[1])
    limit = rough[:, k - 1] - 2 * error  # (q,)
    crowded = rough[:, -1] >= limit if width < len(keys) else torch.zeros_like(limit, dtype=torch.bool)  # (q,)
    rows, places = ((rough >= limit[:, None]) & ~crowded[:, None]).nonzero(as_tuple=True)  # (m,)
    parts, again = [(rows, columns[rows, places])], crowded.nonzero()[:, 0]
    if coarse is not None and len(again):
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
    scores = _product(query, keys)  # (1, n)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    rows, columns = _above_kth(scores, k, _fine_error(query))
    return rows + row, columns


def _above_kth(scores: Tensor, k: int, error: Tensor) -> tuple[Tensor, Tensor]:
    """Find rows and columns (m,) of scores (q, w) that reach the k-th best of their row less twice the error (q,)."""
    if not k:
        return scores.new_zeros(0, dtype=torch.int64), scores.new_zeros(0, dtype=torch.int64)
    kth = _block_top_k(scores, k)[0][:, -1]  # (q,)
    rows, columns = (scores >= (kth - 2 * error)[:, None]).nonzero(as_tuple=True)
    return rows, columns


def _rescored(queries: Tensor, keys: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute the float32 products (m,) of those pairs, summed in float64: to the last bit, but for one in 10^8."""
    values, by = torch.empty(len(rows), device=keys.device), torch.argsort(rows)
    counts = torch.bincount(rows, minlength=len(queries)).tolist()
    for query, pairs in zip(queries.double(), torch.split(by, counts), strict=True):
        for part in torch.split(pairs, PAIRS):
            values[part] = _exact_products(keys, columns[part], query).float()
    return values


def _exact_products(keys: Tensor, columns: Tensor, query: Tensor) -> Tensor:
    """Compute products (m,) in float64. On a CPU numpy does: it adds float64 while it reads float32, where torch makes
    a copy first."""
    if keys.device.type != "cpu":
        return keys[columns].double() @ query
    return torch.from_numpy(np.einsum("md,d->m", keys.numpy()[columns.numpy()], query.numpy()))


def _best(
    rows: Tensor, columns: Tensor, values: Tensor, order: Tensor | None, k: int, count: int
) -> tuple[Tensor, Tensor]:
    """Choose the k best pairs of each of `count` rows, (count, k), by value, then by order; -inf and -1 for none."""
    ranks = columns if order is None else order[columns]
    by = np.lexsort([ranks.cpu().numpy(), -values.cpu().numpy(), rows.cpu().numpy()])  # the last key counts first
    row = rows.cpu().numpy()[by]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # within its row
    chosen = torch.from_numpy(by[place < k]).to(rows.device)
    target = torch.from_numpy((row * k + place)[place < k]).to(rows.device)
    best = torch.full((count * k,), -torch.inf, device=values.device).index_copy(0, target, values[chosen])
    where = torch.full((count * k,), -1, dtype=torch.int64, device=rows.device).index_copy(0, target, columns[chosen])
    return best.view(count, k), where.view(count, k)


def _product(queries: Tensor, keys: Tensor) -> Tensor:
    """Multiply (q, d) with (n, d) to (q, n) in the precision of the arguments, whatever autocast says."""
    with torch.autocast(queries.device.type, enabled=False):
        return queries @ keys.T


def _top_k(queries: Tensor, keys: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Find the k best values (q, k) in float32, whatever precision the products have, and columns; -inf if not
    allowed."""
    hidden = None
    if allowed is not None:
        hidden = torch.zeros(len(keys), dtype=queries.dtype, device=keys.device).masked_fill(~allowed, -torch.inf)
    best_values, best_columns = [], []
    for start in range(0, len(keys), CHUNK):
        scores = _product(queries, keys[start : start + CHUNK])  # (q, chunk)
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
    grouped = scores[:, : blocks * BLOCK].view(queries, blocks, BLOCK)  # (q, b, BLOCK)
    chosen = grouped.amax(dim=2).float().topk(k, dim=1, sorted=False).indices  # (q, k) blocks
    candidates = grouped.gather(1, chosen[..., None].expand(-1, -1, BLOCK)).reshape(queries, k * BLOCK)
    rest = scores[:, blocks * BLOCK :]  # (q, r), r < BLOCK
    values, places = torch.cat([candidates, rest], dim=1).float().topk(k, dim=1)
    inside = chosen.gather(1, (places // BLOCK).clamp(max=k - 1)) * BLOCK + places % BLOCK
    return values, torch.where(places < k * BLOCK, inside, places - k * BLOCK + blocks * BLOCK)
