"""Vote certainty: how far a vote of stored segments is to be believed, by how near the nearest of them is.

    certainty = 1 / (1 + exp((nearest - midpoint) / width))

A vote says which stored class a mask is most like, not that it is like any: a cat asked of a store without cats is
most like something, too, only farther away. With a nearer neighbour a vote is right more often, so the distance says
what the vote's shares cannot. The form is that of a logistic regression of "right or wrong" on the distance (Platt,
Probabilistic outputs for support vector machines, 1999); midpoint and width belong to a feature space.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def vote_certainty(
    distances: Float[Tensor, "n k"], valid: Bool[Tensor, "n k"], midpoint: float, width: float
) -> Float[Tensor, "n"]:
    """Return the certainty of each mask's vote in [0, 1]; 0 where nobody votes.

    distances: (n, k), cosine distance in [0, 2].
    valid: (n, k), which neighbours vote.
    midpoint: the distance at which a vote is half certain.
    width: how fast certainty falls around it, in cosine distance, above 0.

    Worked example: with midpoint 0.45 and width 0.08 a nearest of 0.37 gives 1 / (1 + e^-1) = 0.73, of 0.53 0.27.
    """
    if not distances.shape[1]:
        return distances.new_zeros(len(distances))
    nearest = distances.masked_fill(~valid, torch.inf).amin(1)  # (n,)
    return torch.sigmoid((midpoint - nearest) / width)
