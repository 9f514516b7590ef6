"""The precision of sums, whatever precision a model computes in."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Return the values in float32 if they are of half precision; float32 and float64 are returned unchanged."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
