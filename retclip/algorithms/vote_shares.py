"""Vote shares: the part of its class's retrieval score that each neighbour contributes, and the vote's rule in words.

The shares of a mask's neighbours of class c sum to `retrieval_scores`' score of c, whatever the vote:

    softmax, rank    share_i = u_i; a class's score is the sum over its neighbours
    minmax, mean     share_i = u_i / number of neighbours of the class
    minmax, max      share_i = u_i / t for the t neighbours that reach the class's best u, 0 for its others
    best m of each   share_i = u_i / m for the m nearest of the class, 0 for its others; softmax, rank over their sum

where u_i is the vote of neighbour i, weighted by trust where that is asked for, before it is aggregated by class (see
`retrieval_scores`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from retclip.algorithms.retrieval_scores import Aggregate, Vote, best_units, retrieval_scores, voting


def vote_shares(
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    vote: Vote = "minmax",
    aggregate: Aggregate = "max",
    temperature: float = 0.07,
    max_distance: float | None = None,
    weights: Float[Tensor, "n k"] | None = None,
) -> Float[Tensor, "n k"]:
    """Return each neighbour's share in [0, 1] of what `retrieval_scores` returns for the same arguments.

    The share is 0 where there is no neighbour, or where it does not vote.

    Worked example: distances (0.1, 0.2, 0.5) of classes (a, b, a). minmax: u = (1, 0.75, 0), so the shares are
    (1, 0.75, 0) with the best of a class and (1/2, 0.75, 0) with the mean. rank: (6/13, 4/13, 3/13).
    """
    k = distances.shape[1]
    index = torch.arange(k, device=distances.device).expand(distances.shape)  # (n, k) a class for each neighbour
    singletons = torch.where(neighbour_classes >= 0, index, torch.full_like(index, -1))  # (n, k)
    units = retrieval_scores(
        singletons, distances, k, vote, "max", temperature, max_distance, weights
    )  # (n, k) w_i u_i
    valid = voting(neighbour_classes, distances, max_distance)  # (n, k)
    if isinstance(aggregate, int):
        return best_units(units, neighbour_classes, distances, valid, vote, aggregate)
    if vote != "minmax":
        return units
    classes = int(neighbour_classes.max()) + 1 if neighbour_classes.numel() else 0
    target = torch.where(valid, neighbour_classes, torch.full_like(index, classes))  # (n, k) one bin for "none"
    bins = units.new_zeros(len(units), classes + 1)  # (n, c + 1)
    if aggregate == "max":
        best = bins.scatter_reduce(1, target, units, reduce="amax", include_self=False).gather(1, target)  # (n, k)
        valid = valid & (units == best)
    voters = bins.scatter_add(1, target, valid.to(units.dtype)).gather(1, target)  # (n, k) voters of the same class
    return torch.where(valid, units / voters.clamp(min=1.0), torch.zeros_like(units))


def vote_rule(
    vote: Vote = "minmax", aggregate: Aggregate = "max", temperature: float = 0.07, max_distance: float | None = None,
    trusted: str = "", rest: bool = False,
) -> str:  # fmt: skip
    """Return the rule of the vote as one sentence for users.

    trusted: the part that trust in labels has, in words; empty: none.
    rest: whether what was not asked for competes (`best_of_rest`).
    """
    vote_of_neighbour, score_of_class = {
        "minmax": (
            "1 - (distance - nearest) / (farthest - nearest)",
            "its best neighbour" if aggregate == "max" else "the mean of its neighbours",
        ),
        "softmax": (f"exp((1 - distance) / {temperature:g}), brought to sum 1", "the sum of its neighbours"),
        "rank": ("1 / (2 + rank), rank 0 the nearest, brought to sum 1", "the sum of its neighbours"),
    }[vote]
    if isinstance(aggregate, int):
        scaled = "" if vote == "minmax" else ", brought to sum 1"
        score_of_class = f"the mean of its {aggregate} nearest{scaled}"
    limit = "" if max_distance is None else f"; none beyond distance {max_distance:g}"
    best = "; of what was not asked for the best class" if rest else ""
    doubt = trusted and f"; {trusted}"
    return f"each neighbour counts {vote_of_neighbour}; a class scores {score_of_class}{limit}{doubt}{best}"
