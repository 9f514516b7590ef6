"""How finely sums are taken, whatever precision a model works in."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32 where they are of half precision; float32 and float64 come back as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
