"""Keys rounded to bfloat16, how far their products may be from the true ones, and whether they are worth their memory.

Let q' and x' be the unit vectors q and x rounded. By Cauchy and Schwarz |qx - q'x'| <= |q - q'| |x| + |q'| |x - x'|,
which is known, because the roundings are; the result itself is rounded by at most 2^-8 of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

PART = 1 << 17  # keys rounded at once


@dataclass(frozen=True, eq=False)
class Coarse:
    """Keys rounded to bfloat16.

    keys: (n, d) bfloat16.
    rounding: the largest distance |x - x'| of a key to its rounded self.
    """

    keys: Tensor
    rounding: float

    @classmethod
    def of(cls, keys: Tensor) -> Coarse:
        """Round a copy of unit vectors (n, d) float32."""
        rounded = keys.bfloat16()
        parts = (slice(start, start + PART) for start in range(0, len(keys), PART))
        return cls(rounded, max(float(distances(keys[part], rounded[part]).max()) for part in parts))


def coarse_error(scores: Tensor, query_rounding: Tensor, key_rounding: float, dim: int) -> Tensor:
    """Bound how far a coarse score may be from the true one, for unit vectors.

    scores: (q,) float32, coarse scores near the one in question.
    query_rounding: (q,) float32, the distance of each query to its rounded self.
    key_rounding: the largest distance of a key to its rounded self.
    dim: numbers in a vector.
    """
    factors = query_rounding + (1 + 2.0**-8) * key_rounding
    return factors + 2.0**-8 * (scores.abs() + 2.0**-5) + dim * 2.0**-23  # the result's rounding, float32's sums


@cache
def bfloat16_is_faster(device: str, dim: int) -> bool:
    """Try once whether this CPU multiplies bfloat16 clearly faster than float32. It decides time, not answers.

    False on another device: it may round its sums in between, and float32 is fast there.
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


def distances(exact: Tensor, rounded: Tensor) -> Tensor:
    """Measure how far vectors lie from their rounded selves: (n,) float32, Euclidean.

    exact: (n, d) float32.
    rounded: (n, d) bfloat16.
    """
    lengths: Tensor = torch.linalg.vector_norm(exact - rounded.float(), dim=1)
    return lengths
