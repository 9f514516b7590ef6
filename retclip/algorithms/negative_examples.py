"""Negative examples: stored segments that a person said are *not* of a class take votes away from it.

    nearer(c) = neighbours i of class c with d_i < d_neg(c), the distance of the nearest negative example of class c
    neighbour i of class c votes  <=>  i is in nearer(c), and nearer(c) has at least min(2, neighbours of class c)

So the votes behind a negative example are taken away, and all of a class of which one neighbour alone is nearer: where
a negative example is as near as the second of the positives, a single one that lies nearer by chance does not decide.
A neighbour that is an example itself, rejected for its own label, neither votes nor counts.

Distances are decorrelated ones (`decorrelation`): by the cosine distance an example was near to little of what is
mistaken as it was, and as near to much that is right (benchmarks/README.md).

A neighbour that is barred has no vote, whatever the rule (`retrieval_scores`): the others are scaled, ranked and summed
as if it had not been found, so that shares still sum to scores. A class without negative examples loses nothing; of one
with one neighbour alone that neighbour votes where it is nearer; one whose every neighbour is barred scores 0; a mask
all of whose neighbours are barred has no voter, and the vote abstains. Equal distances bar.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from retclip.types import Neighbours

NEEDED = 2  # neighbours of a class nearer than its negative examples; chosen on chosen scenes, see benchmarks/README.md


def barred_neighbours(
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    negative_classes: Int64[Tensor, "m"],
    negative_distances: Float[Tensor, "n m"],
    are_examples: Bool[Tensor, "n k"] | None = None,
) -> Bool[Tensor, "n k"]:
    """Return whether each neighbour is barred by the negative examples of its class.

    neighbour_classes: (n, k) class index, -1 = none.
    distances: (n, k) decorrelated distance in [0, 2], inf = none.
    negative_classes: (m,) class index that each negative example counts against.
    negative_distances: (n, m) its decorrelated distance from each mask.
    are_examples: (n, k) which neighbours are themselves negative examples of their class; None = none is.

    Worked example: distances (0.1, 0.2, 0.3, 0.5) of classes (a, b, a, a). With a negative example of a at 0.4 the
    neighbour at 0.5 is barred; at 0.25 one of three is nearer, and all of a are barred. One of b at 0.9 bars nothing:
    its only neighbour is nearer.
    """
    if not len(negative_classes) or not neighbour_classes.shape[1]:
        return torch.zeros_like(neighbour_classes, dtype=torch.bool)
    at = negative_classes[None].expand(len(distances), -1)  # (n, m)
    classes = int(max(negative_classes.max(), neighbour_classes.max())) + 1
    nearest = distances.new_full((len(distances), classes), torch.inf)  # (n, c)
    nearest = nearest.scatter_reduce(1, at, negative_distances.to(distances), reduce="amin")  # (n, c)
    of_class = neighbour_classes.clamp(min=0)  # (n, k)
    there = neighbour_classes >= 0  # (n, k)
    positive = there if are_examples is None else there & ~are_examples  # (n, k)
    nearer = positive & (distances < nearest.gather(1, of_class))  # (n, k)
    counts = distances.new_zeros(2, len(distances), classes, dtype=torch.int64)
    needed = counts[0].scatter_add(1, of_class, positive.long()).clamp(max=NEEDED)  # (n, c)
    enough = counts[1].scatter_add(1, of_class, nearer.long()) >= needed  # (n, c)
    return there & torch.isfinite(nearest.gather(1, of_class)) & ~(nearer & enough.gather(1, of_class))


def barred_voters(near: Neighbours) -> Bool[Tensor, "n k"]:
    """Return whether each neighbour of a search is barred by the negative examples that came with it."""
    against = near.negatives
    if against is None:
        return torch.zeros_like(near.classes, dtype=torch.bool)
    examples = set(zip(against.ids.tolist(), against.classes.tolist(), strict=True))
    rows = zip(near.ids.tolist(), near.classes.tolist(), strict=True)
    own = [[place in examples for place in zip(ids, classes, strict=True)] for ids, classes in rows]
    are_examples = torch.tensor(own, dtype=torch.bool, device=near.classes.device).reshape(near.classes.shape)
    distances = near.distances if near.decorrelated is None else near.decorrelated  # of earlier versions the cosine one
    return barred_neighbours(near.classes, distances, against.classes, against.distances, are_examples)
