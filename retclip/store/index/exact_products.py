"""Inner products: quick ones of all pairs with a bound of their error, exact ones of a few pairs, the best of those."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.store.index.row_sums import RowSums

PAIRS = 1 << 14  # keys scored in float64 at once
COLLECTED = 256  # of these copied at once: 768 KB of 768 numbers, which stay in the processor's cache


def fine_error(queries: Tensor) -> Tensor:
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


def rescored(queries: Tensor, keys: Tensor, rows: Tensor, columns: Tensor, sums: RowSums | None = None) -> Tensor:
    """Compute the float32 products (m,) of those pairs, summed in float64: to the last bit, but for one in 10^8.

    sums: what keys on the CPU are held to. Raises RowsDamaged.
    """
    values, by = torch.empty(len(rows), device=keys.device), torch.argsort(rows, stable=True)
    counts, on_cpu = torch.bincount(rows, minlength=len(queries)).tolist(), keys.device.type == "cpu"
    shape = COLLECTED, keys.shape[1]
    memory = np.empty(shape, np.float32), np.empty(shape, np.float64)  # once for all
    with np.errstate(all="ignore"):  # what is damaged may be any number, or none
        for query, pairs in zip(queries.double(), torch.split(by, counts), strict=True):
            for part in torch.split(pairs, COLLECTED if on_cpu else PAIRS):
                exact = (
                    _products_on_cpu(keys, columns[part], query, sums, *memory)
                    if on_cpu
                    else keys[columns[part]].double() @ query
                )
                values[part] = exact.float()
    return values


def _products_on_cpu(
    keys: Tensor, columns: Tensor, query: Tensor, sums: RowSums | None, collected: NDArray[np.float32],
    wide: NDArray[np.float64],
) -> Tensor:  # fmt: skip
    """Compute products (m,) in float64. The keys are collected and widened in memory that is there already, which takes
    a third of the time; each is summed by itself, so that equal ones have equal products wherever they stand."""
    count = len(columns)
    np.take(keys.numpy(), columns.numpy(), axis=0, out=collected[:count], mode="clip")
    np.copyto(wide[:count], collected[:count])
    if sums is not None:
        sums.hold(columns.numpy(), wide[:count])
    return torch.from_numpy(np.vecdot(wide[:count], query.numpy()))


def nearest_first(values: NDArray[np.float32], ranks: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Make numbers that sort as the larger value first, of equal values the smaller rank.

    values: float32, of any shape, no NaN.
    ranks: of the same shape, in [0, 2^32).
    """
    bits = (np.asarray(values, dtype=np.float32) + np.float32(0)).view(np.uint32)  # -0 becomes 0
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))  # IEEE 754: sign and amount, to one scale
    return (~rising).astype(np.uint64) << np.uint64(32) | ranks.astype(np.uint64)


def best(
    rows: Tensor, columns: Tensor, values: Tensor, order: Tensor | None, k: int, count: int
) -> tuple[Tensor, Tensor]:
    """Choose the k best pairs of each of `count` rows, (count, k), by value, then by order; -inf and -1 for none."""
    ranks, row = columns if order is None else order[columns], rows.cpu().numpy()
    by = np.argsort(nearest_first(values.cpu().numpy(), ranks.cpu().numpy()))
    for shift in range(0, max(1, count - 1).bit_length(), 16):  # numpy sorts 16 bits much faster than more
        by = by[np.argsort((row[by] >> shift).astype(np.uint16), kind="stable")]
    row = row[by]
    place = np.arange(len(row)) - np.searchsorted(row, row)  # within its row
    chosen = torch.from_numpy(by[place < k]).to(rows.device)
    target = torch.from_numpy((row * k + place)[place < k]).to(rows.device)
    top = torch.full((count * k,), -torch.inf, device=values.device).index_copy(0, target, values[chosen])
    where = torch.full((count * k,), -1, dtype=torch.int64, device=rows.device).index_copy(0, target, columns[chosen])
    return top.view(count, k), where.view(count, k)


def product(queries: Tensor, keys: Tensor) -> Tensor:
    """Multiply (q, d) with (n, d) to (q, n) in the precision of the arguments, whatever autocast says."""
    with torch.autocast(queries.device.type, enabled=False):
        return queries @ keys.T
