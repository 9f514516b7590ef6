"""The best m neighbours of each class, as weights of a mean.

    score[c] = mean of u_i over the m nearest of the neighbours with y_i = c, over all of them where there are fewer

with u_i the vote of neighbour i and y_i its class (see `retrieval_scores`). A class is judged by its m best examples:
one lucky neighbour weighs 1/m, and a class with thousands of stored segments gains nothing from their number.
Neighbours that are equally far share the last places, so that the order in which they come does not matter.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def best_of_class(
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    valid: Bool[Tensor, "n k"],
    best: int,
) -> Float[Tensor, "n k"]:
    """Return the weight of each neighbour in the mean of its class; those of a class sum to 1.

    neighbour_classes: (n, k) class index.
    distances: (n, k) cosine distance in [0, 2].
    valid: (n, k) whether a neighbour votes; the weight of one that does not is 0.
    best: m, at least 1.

    Worked example with m = 2: distances (0.1, 0.2, 0.2, 0.3) of one class. The first place is the first neighbour's,
    the second is shared by two: weights (1/2, 1/4, 1/4, 0).
    """
    k = distances.shape[1]
    if not k:
        return torch.zeros_like(distances)
    classes = torch.where(valid, neighbour_classes, torch.full_like(neighbour_classes, -1))  # (n, k)
    by_distance = distances.argsort(dim=1, stable=True)  # (n, k)
    order = by_distance.gather(1, classes.gather(1, by_distance).argsort(dim=1, stable=True))  # (n, k) class by class
    c, d = classes.gather(1, order), distances.gather(1, order)  # (n, k), (n, k)
    new_class = torch.ones_like(valid)  # (n, k) True where a class begins
    new_class[:, 1:] = c[:, 1:] != c[:, :-1]
    new_place = new_class.clone()  # (n, k) True where a class or another distance begins
    new_place[:, 1:] |= d[:, 1:] != d[:, :-1]
    class_start, class_end = _runs(new_class)  # (n, k), (n, k)
    place_start, place_end = _runs(new_place)  # (n, k), (n, k)
    members, tied = class_end - class_start, place_end - place_start  # (n, k), (n, k)
    places = (best - (place_start - class_start)).clamp(min=0).minimum(tied)  # (n, k) of the m best, for all that tie
    weights = places / tied / members.clamp(max=best)  # (n, k)
    weights = torch.where(c >= 0, weights, torch.zeros_like(weights)).to(distances.dtype)
    return torch.zeros_like(distances).scatter(1, order, weights)


def _runs(begins: Bool[Tensor, "n k"]) -> tuple[Int64[Tensor, "n k"], Int64[Tensor, "n k"]]:
    """Return where the run of each column begins, and the column after its end.

    begins: (n, k) True at a run's first column; the first column is one.
    """
    k = begins.shape[1]
    columns = torch.arange(k, device=begins.device).expand(begins.shape)  # (n, k)
    start = torch.where(begins, columns, torch.zeros_like(columns)).cummax(dim=1).values  # (n, k)
    after = torch.full_like(columns, k)  # (n, k)
    after[:, :-1] = torch.where(begins[:, 1:], columns[:, 1:], after[:, 1:])
    return start, after.flip(1).cummin(dim=1).values.flip(1)
