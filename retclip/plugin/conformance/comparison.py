"""When two answers count as the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retclip.errors import ContractBroken

TOLERANCE = 1e-3  # of masks, scores and vectors
LEAST = 1e-4  # of vectors that are all much the same, as a network of random weights makes them
OF_SPREAD = 0.2  # of how far the vectors of several masks and photos are apart


@dataclass(frozen=True)
class Kept:
    """A promise that was tried and kept, with a remark on what of it was not tried."""

    remark: str


def equal(what: str, first: Tensor, second: Tensor, todo: str = "make the component deterministic") -> None:
    """Raises ContractBroken unless both are the same to TOLERANCE."""
    if first.shape != second.shape or not torch.allclose(first.float(), second.float(), atol=TOLERANCE):
        raise ContractBroken(f"the same {what}", "different values", todo)


def alike(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Return whether two lists of vectors (n, d) are the same, seen against what tells the first from one another."""
    if [part.shape for part in first] != [part.shape for part in second]:
        return False
    before, after = (torch.cat([part.double().cpu() for part in vectors]) for vectors in (first, second))
    if not before.numel():
        return True
    allowed = min(TOLERANCE, max(LEAST, OF_SPREAD * _spread(before)))
    return float((before - after).abs().max()) <= allowed


def require_alike(what: str, first: Sequence[Tensor], second: Sequence[Tensor], todo: str) -> None:
    """Raises ContractBroken unless both lists of vectors are the same."""
    if not alike(first, second):
        raise ContractBroken(f"the same {what}", "different values", todo)


def _spread(vectors: Tensor) -> float:
    """Return by how much the numbers of any two vectors differ, at most."""
    return float((vectors.max(dim=0).values - vectors.min(dim=0).values).max())
