"""Decorrelation: a metric in which what is common to everything that is stored counts little.

    M = mean of v v^T over stored vectors v of unit length, d x d
    A = M + s * trace(M) / d * I                      shrinkage s
    decorrelated distance(x, y) = 1 - x^T A^-1 y / sqrt(x^T A^-1 x * y^T A^-1 y)

The cosine distance of two masks is mostly about what most masks have in common, as the light of a photo or the size of
a mask; what tells two classes from each other may be a small part of it. A^-1 weighs each direction by how little it
varies. That is the metric of Fisher's discriminant with one second moment of everything stored in the place of each
class's covariance (Hariharan, Malik and Ramanan, "Discriminative decorrelation for clustering and classification", ECCV
2012), so that no label takes part in it. Vectors that are stored in every direction alike leave the cosine distance; so
does a shrinkage without end.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SHRINKAGE = 0.1  # chosen on drawn validation scenes, see benchmarks/README.md


def decorrelation(vectors: Float[Tensor, "m d"], shrinkage: float = SHRINKAGE) -> Float[Tensor, "d d"]:
    """Return W, upper triangular, with W W^T = A^-1: products of x W and y W are x^T A^-1 y.

    vectors: (m, d) of unit length, at least one.
    shrinkage: s, above 0.

    Worked example with s = 0.5: of (1, 0) and (0, 1) M is I / 2 and A 3/4 I, so W is sqrt(4/3) I and distances stay
    what they are. Of (1, 0) alone A is diag(5/4, 1/4): (1, 0) and (0.8, 0.6), 0.2 apart, are 0.488 apart by it.
    """
    wide = vectors.double()
    moment = wide.T @ wide / len(wide)  # (d, d)
    dim = len(moment)
    unit = torch.eye(dim, dtype=wide.dtype, device=wide.device)
    lower = torch.linalg.cholesky(moment + shrinkage * moment.trace() / dim * unit)  # (d, d)
    inverse: Tensor = torch.linalg.solve_triangular(lower, unit, upper=False)  # (d, d)
    return inverse.T.to(vectors.dtype)


def decorrelated(vectors: Float[Tensor, "n d"], matrix: Float[Tensor, "d d"]) -> Float[Tensor, "n d"]:
    """Return the vectors x W, brought to unit length: the cosine distance of two of them is the decorrelated one."""
    return torch.nn.functional.normalize(vectors @ matrix, dim=1)
