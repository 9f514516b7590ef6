"""Vote shares: how much of its class's retrieval score each neighbour gave, and the rule of the vote in one line.

The shares of a mask's neighbours of class c sum to `retrieval_scores`' score of c, whatever the vote:

    softmax, rank    share_i = u_i, the neighbour's own part of the whole; a class sums its neighbours' parts
    minmax, mean     share_i = u_i / how many neighbours the class has
    minmax, max      share_i = u_i / t for the t neighbours that reach the class's best u, 0 for its others

where u_i is what the vote gives the neighbour alone, before classes are looked at (see `retrieval_scores`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from retclip.algorithms.retrieval_scores import Aggregate, Vote, retrieval_scores


def vote_shares(
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    vote: Vote = "minmax",
    aggregate: Aggregate = "max",
    temperature: float = 0.07,
    max_distance: float | None = None,
) -> Float[Tensor, "n k"]:
    """Shares in [0, 1] of the scores that `retrieval_scores` gives with the same arguments; 0 where there is no
    neighbour, or one that has no vote.

    Worked example: distances (0.1, 0.2, 0.5) of classes (a, b, a). minmax: u = (1, 0.75, 0), so the shares are
    (1, 0.75, 0) with the best of a class and (1/2, 0.75, 0) with the mean. rank: (6/13, 4/13, 3/13).
    """
    k = distances.shape[1]
    own = torch.arange(k, device=distances.device).expand(distances.shape)  # (n, k) a class for each neighbour
    alone = torch.where(neighbour_classes >= 0, own, torch.full_like(own, -1))
    units = retrieval_scores(alone, distances, k, vote, "max", temperature, max_distance)  # (n, k) u_i
    if vote != "minmax":
        return units
    voting = (neighbour_classes >= 0) & torch.isfinite(distances)
    if max_distance is not None:
        voting = voting & (distances <= max_distance)
    classes = int(neighbour_classes.max()) + 1 if neighbour_classes.numel() else 0
    mine = torch.where(voting, neighbour_classes, torch.full_like(own, classes))  # (n, k) one bin for those without
    bins = units.new_zeros(len(units), classes + 1)  # (n, c + 1)
    if aggregate == "max":
        best = bins.scatter_reduce(1, mine, units, reduce="amax", include_self=False).gather(1, mine)  # (n, k)
        voting = voting & (units == best)
    voters = bins.scatter_add(1, mine, voting.to(units.dtype)).gather(1, mine)  # (n, k) of the neighbour's own class
    return torch.where(voting, units / voters.clamp(min=1.0), torch.zeros_like(units))


def vote_rule(
    vote: Vote = "minmax", aggregate: Aggregate = "max", temperature: float = 0.07, max_distance: float | None = None
) -> str:
    """The rule in one line, for people."""
    each, scored = {
        "minmax": (
            "1 - (distance - nearest) / (farthest - nearest)",
            "its best neighbour" if aggregate == "max" else "the mean of its neighbours",
        ),
        "softmax": (f"exp((1 - distance) / {temperature:g}), brought to sum 1", "the sum of its neighbours"),
        "rank": ("1 / (2 + rank), rank 0 the nearest, brought to sum 1", "the sum of its neighbours"),
    }[vote]
    beyond = "" if max_distance is None else f"; none beyond distance {max_distance:g}"
    return f"each neighbour counts {each}; a class scores {scored}{beyond}"
