"""The precision of sums, whatever precision a model computes in, and whether a coarser one is faster."""

from __future__ import annotations

import time
from functools import cache

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Return the values in float32 if they are of half precision; float32 and float64 are returned unchanged."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


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
