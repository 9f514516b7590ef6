"""Sums that tell whether a vector in memory is still what it was when its copy was made.

The weighted sum of a vector's numbers, in float64, is kept beside it, and made again when the vector is first read for
a score. Two sums of the same d numbers differ by their rounding alone, whatever their order, at most by d 2^-52 |w| for
a unit vector (Cauchy and Schwarz over the terms), 7e-12 for 768 numbers. A change of one number that is not seen is
smaller than that and moves no score more; that changes of several cancel each other out has about that chance, too.

The error of a rounded copy's score would be no such bound: of 768 numbers it is 0.004, and a flipped sign moves a score
by 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.errors import StoreDamaged

PART = 1 << 14  # vectors summed at once
GOLDEN = 0.6180339887498949  # its multiples spread evenly, so no two of the weights are equal


class RowsDamaged(StoreDamaged):
    """A vector in memory is not the one that was put there."""


@dataclass(frozen=True, eq=False)
class RowSums:
    """The sums of vectors. Use `of`.

    sums: (n,) float64.
    is_held: (n,) bool, the vectors that were held to their sum; written to.
    """

    sums: NDArray[np.float64]
    is_held: NDArray[np.bool_]

    @classmethod
    def kept(cls, sums: NDArray[np.float64]) -> RowSums:
        """Take sums that were made before."""
        return cls(sums, np.zeros(len(sums), dtype=bool))

    @classmethod
    def of(cls, vectors: Tensor) -> RowSums:
        """Sum vectors (n, d) float32."""
        weights, _ = _weights(vectors.shape[1])
        parts = [part.double().cpu().numpy() @ weights for part in torch.split(vectors, PART)]
        return cls.kept(np.concatenate(parts))

    def of_rows(self, rows: NDArray[np.int64]) -> RowSums:
        """Take those of some rows."""
        return RowSums(self.sums[rows], self.is_held[rows])

    def hold(self, rows: NDArray[np.int64], vectors: NDArray[np.float64]) -> None:
        """Hold vectors to the sums of these rows, the first time that they are met. Raises RowsDamaged.

        vectors: (m, d) float64.
        """
        new = np.flatnonzero(~self.is_held[rows])
        if not len(new):
            return
        if 4 * len(new) < len(rows):  # else to copy them costs more than to sum all
            rows, vectors = rows[new], vectors[new]
        weights, bound = _weights(vectors.shape[1])
        is_same = np.abs(vectors @ weights - self.sums[rows]) <= bound  # false of NaN, too
        if not is_same.all():
            got = f"{int((~is_same).sum())} of {len(rows)} vectors that changed since, one in row {rows[~is_same][0]}"
            raise RowsDamaged("vectors in memory as they were put there", got, "`retclip doctor --store DIR --repair`")
        self.is_held[rows] = True

    def hold_all(self, vectors: Tensor, part: slice = slice(None)) -> None:
        """Hold every vector of a part of them to its sum, if it was not yet. Raises RowsDamaged.

        vectors: (n, d) float32 on the CPU.
        """
        for rows in torch.split(torch.arange(len(vectors))[part], PART):
            numbers = rows.numpy()
            new = numbers[~self.is_held[numbers]]
            with np.errstate(all="ignore"):  # what is damaged may be any number, or none
                self.hold(new, vectors[torch.from_numpy(new)].double().numpy())


@cache
def _weights(dim: int) -> tuple[NDArray[np.float64], float]:
    """Weights in [1, 2), all different, (d,), and how far two sums of one unit vector may be apart."""
    weights = 1.0 + np.arange(1, dim + 1, dtype=np.float64) * GOLDEN % 1.0
    return weights, dim * 2.0**-52 * float(np.linalg.norm(weights))
