"""Keys rounded to bfloat16, how far their products may be from the true ones.

Let q' and x' be the unit vectors q and x rounded. By Cauchy and Schwarz |qx - q'x'| <= |q - q'| |x| + |q'| |x - x'|,
which is known, because the roundings are; the result itself is rounded by at most 2^-8 of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from retclip.store.index.row_sums import RowSums

PART = 1 << 17  # keys rounded at once


@dataclass(frozen=True, eq=False)
class Coarse:
    """Keys rounded to bfloat16, and what the exact ones are held to before they are believed.

    keys: (n, d) bfloat16.
    rounding: the largest distance |x - x'| of a key to its rounded self.
    sums: of the exact keys.
    """

    keys: Tensor
    rounding: float
    sums: RowSums

    @classmethod
    def of(cls, keys: Tensor) -> Coarse:
        """Round a copy of unit vectors (n, d) float32."""
        rounded = keys.bfloat16()
        parts = (slice(start, start + PART) for start in range(0, len(keys), PART))
        rounding = max(float(distances(keys[part], rounded[part]).max()) for part in parts)
        return cls(rounded, rounding, RowSums.of(keys))

    def of_rows(self, rows: Tensor) -> Coarse:
        """Take some of the keys: (m,) int64."""
        return Coarse(self.keys[rows], self.rounding, self.sums.of_rows(rows.numpy()))


def coarse_error(scores: Tensor, query_rounding: Tensor, key_rounding: float, dim: int) -> Tensor:
    """Bound how far a coarse score may be from the true one, for unit vectors.

    scores: (q,) float32, coarse scores near the one in question.
    query_rounding: (q,) float32, the distance of each query to its rounded self.
    key_rounding: the largest distance of a key to its rounded self.
    dim: numbers in a vector.
    """
    factors = query_rounding + (1 + 2.0**-8) * key_rounding
    return factors + 2.0**-8 * (scores.abs() + 2.0**-5) + dim * 2.0**-23  # the result's rounding, float32's sums


def distances(exact: Tensor, rounded: Tensor) -> Tensor:
    """Measure how far vectors lie from their rounded selves: (n,) float32, Euclidean.

    exact: (n, d) float32.
    rounded: (n, d) bfloat16.
    """
    lengths: Tensor = torch.linalg.vector_norm(exact - rounded.float(), dim=1)
    return lengths
