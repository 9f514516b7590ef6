"""The k largest inner products, exactly: never a candidate less than one full product and sort would give.

Block maxima. One product gives all scores; what costs is finding the k best of hundreds of thousands in a row. So the
scores are reduced to the maxima of small blocks of columns. The k best of a row always lie in the k blocks with the
largest maxima: a block that is not among them is beaten by k other blocks, each of which holds an element larger than
all of its own. Only those blocks are looked at again.

Coarse first. Let q' and x' be the unit vectors q and x rounded to bfloat16. By Cauchy and Schwarz
|qx - q'x'| <= |q - q'| |x| + |q'| |x - x'|, which is known, because the roundings are; the result itself is rounded by
at most 2^-8 of it. Let e be all that. If s is the k-th best coarse score, the k-th best true score is at least s - e,
so whatever is among the k best has a coarse score of at least s - 2e. Those candidates are scored again in float32. A
query that has more of them than fit is searched in float32 from the start.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

BLOCK = 64  # columns per maximum
CHUNK = 2048 * BLOCK  # columns per product: 100 queries x 131,072 float32 scores are 52 MB
SPARE = 80  # candidates kept beyond k; of 200,000 random directions 26 are needed on average, in 300 queries 53 at most


@dataclass(frozen=True, eq=False)
class Coarse:
    """Keys rounded to bfloat16. rounding: the largest distance |x - x'| of a key to its rounded self."""

    keys: Tensor
    rounding: float

    @classmethod
    def of(cls, keys: Tensor) -> Coarse:
        """A copy of unit vectors (n, d) float32."""
        rounded = keys.bfloat16()
        parts = (slice(start, start + CHUNK) for start in range(0, len(keys), CHUNK))
        return cls(rounded, max(float(_distances(keys[part], rounded[part]).max()) for part in parts))


def exact_top_k(queries: Tensor, keys: Tensor, k: int, coarse: Coarse | None = None) -> tuple[Tensor, Tensor]:
    """The k largest inner products of each query (q, d) with the keys (n, d), n >= k, all float32: values and columns
    (q, k), largest first. coarse: of the same keys; then queries and keys must be of unit length."""
    if coarse is None or len(keys) <= k + SPARE:
        return _top_k(queries, keys, k)
    rounded = queries.bfloat16()
    rough, columns = _top_k(rounded, coarse.keys, k + SPARE)
    values = torch.einsum("qd,qmd->qm", queries, keys[columns])
    best, places = values.topk(k, dim=1)
    columns = columns.gather(1, places)
    kth = rough[:, k - 1]
    limit = kth - 2 * coarse_error(kth, _distances(queries, rounded), coarse.rounding, keys.shape[1])
    crowded = (rough[:, -1] >= limit).nonzero()[:, 0]  # more than were kept may be among the k best
    if len(crowded):
        best[crowded], columns[crowded] = _top_k(queries[crowded], keys, k)
    return best, columns


def coarse_error(scores: Tensor, query_rounding: Tensor, key_rounding: float, dim: int) -> Tensor:
    """How far a coarse score near `scores` may be from the true one; for unit vectors of `dim` numbers."""
    factors = query_rounding + (1 + 2.0**-8) * key_rounding
    return factors + 2.0**-8 * (scores.abs() + 2.0**-5) + dim * 2.0**-23  # the result's rounding, float32's sums


def _distances(exact: Tensor, rounded: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(exact - rounded.float(), dim=1)
    return lengths


@cache
def bfloat16_is_faster(device: str, dim: int) -> bool:
    """Whether this CPU multiplies bfloat16 clearly faster than float32: tried once. It decides time, not answers.

    Never on another device: it may round its sums in between, and float32 is fast there.
    """
    if torch.device(device).type != "cpu":
        return False
    queries = torch.ones(64, dim, device=device)
    keys = torch.ones(4096, dim, device=device)
    pairs = ((queries, keys), (queries.bfloat16(), keys.bfloat16()))
    rounds = [[_seconds(*pair) for pair in pairs] for _ in range(9)]  # in turns, so that both meet a busy moment
    single, half = (min(times) for times in zip(*rounds, strict=True))
    return bool(half < 0.7 * single)


def _seconds(queries: Tensor, keys: Tensor) -> float:
    clock = time.perf_counter()
    queries @ keys.T
    return time.perf_counter() - clock


def _top_k(queries: Tensor, keys: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values in float32, whatever precision the products are made in."""
    if len(keys) <= CHUNK:
        values, columns = (queries @ keys.T).float().topk(k, dim=1)
        return values, columns
    best_values, best_columns = [], []
    for start in range(0, len(keys), CHUNK):
        scores = queries @ keys[start : start + CHUNK].T  # (q, chunk)
        values, columns = _block_top_k(scores, k)
        best_values.append(values)
        best_columns.append(columns + start)
    values, columns = torch.cat(best_values, dim=1), torch.cat(best_columns, dim=1)
    top, places = values.topk(k, dim=1)
    return top, columns.gather(1, places)


def _block_top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row, at most all of them, by way of block maxima."""
    queries, width = scores.shape
    blocks = width // BLOCK
    if blocks <= k or width % BLOCK:
        values, columns = scores.float().topk(min(k, width), dim=1)
        return values, columns
    grouped = scores.view(queries, blocks, BLOCK)
    chosen = grouped.amax(dim=2).float().topk(k, dim=1, sorted=False).indices  # (q, k) blocks
    candidates = grouped.gather(1, chosen[..., None].expand(-1, -1, BLOCK)).reshape(queries, k * BLOCK)
    values, places = candidates.float().topk(k, dim=1)
    return values, chosen.gather(1, places // BLOCK) * BLOCK + places % BLOCK
