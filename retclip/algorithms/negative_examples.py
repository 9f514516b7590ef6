"""Negative examples: stored segments that a person said are *not* of a class take votes away from it.

    neighbour i of class c votes  <=>  d_i < d_neg(c),  the distance of the nearest negative example of c

A neighbour that is barred has no vote, whatever the rule (`retrieval_scores`): the others are scaled, ranked and summed
as if it had not been found, so that shares still sum to scores. A class without negative examples loses nothing; one
whose every neighbour is barred scores 0; a mask all of whose neighbours are barred has no voter, and the vote abstains.
Equal distances bar: a segment that was rejected for its own label is its own negative example, and never votes for it.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def barred_neighbours(
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    negative_classes: Int64[Tensor, "m"],
    negative_distances: Float[Tensor, "n m"],
) -> Bool[Tensor, "n k"]:
    """Return whether each neighbour is barred by a negative example of its class that is at least as near.

    neighbour_classes: (n, k) class index, -1 = none.
    distances: (n, k) cosine distance in [0, 2], inf = none.
    negative_classes: (m,) class index that each negative example counts against.
    negative_distances: (n, m) its cosine distance from each mask.

    Worked example: distances (0.1, 0.2, 0.5) of classes (a, b, a), negative examples of a at 0.3 and of b at 0.9: only
    the neighbour at 0.5 is barred.
    """
    if not len(negative_classes) or not neighbour_classes.shape[1]:
        return torch.zeros_like(neighbour_classes, dtype=torch.bool)
    classes = int(max(negative_classes.max(), neighbour_classes.max())) + 1
    if classes <= 0:
        return torch.zeros_like(neighbour_classes, dtype=torch.bool)
    nearest = distances.new_full((len(distances), classes), torch.inf)  # (n, c)
    at = negative_classes[None].expand(len(distances), -1)  # (n, m)
    nearest = nearest.scatter_reduce(1, at, negative_distances.to(distances), reduce="amin")  # (n, c)
    of_class = nearest.gather(1, neighbour_classes.clamp(min=0))  # (n, k)
    return (neighbour_classes >= 0) & (of_class <= distances)
