"""Retrieval scores: the neighbours of a mask vote on its class (paper, section 2.2; method.md 7.3, 7.4).

Three votes over the k neighbours of one mask, with distances d_i and classes y_i:

    minmax   u_i = 1 - (d_i - d_min) / (d_max - d_min);  score[c] = max (or mean) of u_i over y_i = c      (the paper)
    softmax  u_i = exp((1 - d_i) / t) / sum of the same over i;  score[c] = sum of u_i over y_i = c
    rank     u_i = 1 / (2 + rank_i) / sum of the same;  score[c] = sum of u_i over y_i = c     (arXiv 2408.08172)

The minimum and maximum run over the neighbours of one mask, so masks are scored independently. With minmax the nearest
always scores 1, however far it is; the other two votes avoid that. So where retrieval alone decides, minmax with max is
the nearest neighbour, whatever k is: k shows only in the scores of the other classes, which an ensemble reads. With
per-class retrieval the k neighbours are the nearest few of *each* class, and minmax then compares classes. All
distances equal, or one neighbour: score 1. A class without a neighbour scores 0, a mask without any neighbour 0
everywhere.

With `aggregate` = m, a number, a class scores the mean of u over its m nearest neighbours (`best_of_class`); softmax
and rank are brought to sum 1 over the classes. u of minmax falls evenly with the distance, so the label is then the
class whose m nearest are nearest on average. It needs m neighbours of each class, not k of all.

Trust: with weights w_i in [0, 1] neighbour i votes w_i u_i in the place of u_i; softmax and rank are brought to sum 1
again, minmax is not, so a class whose only neighbours are doubted scores less. Minimum, maximum and ranks stay those of
all neighbours. `trust_weights` makes weights of the trust in the neighbours' labels (`label_trust`):

    w_i = min(1, odds(trust_i) / odds(least)) ** 2,    odds(t) = t / (1 - t)

odds(trust) is b / a, another class's distance over the own one's. From `least` on a label votes whole. At least = 1/2
that is wherever no other class is nearer; but right labels of classes that look alike lie below it, too, and the more
so where wrong labels have taken their like away, so that a bound below 1/2 is better (docs/audit.md). A neighbour
without a trust votes whole, for nothing is known against it. All weights 0: no class scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from retclip.algorithms.best_of_class import best_of_class
from retclip.shapes import check_choice

Vote = Literal["minmax", "softmax", "rank"]
Aggregate = Literal["max", "mean"] | int


def retrieval_scores(  # noqa: PLR0913  the settings of the vote
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    classes: int,
    vote: Vote = "minmax",
    aggregate: Aggregate = "max",
    temperature: float = 0.07,
    max_distance: float | None = None,
    weights: Float[Tensor, "n k"] | None = None,
) -> Float[Tensor, "n c"]:
    """Return the class scores of each mask in [0, 1].

    neighbour_classes: (n, k) class index, -1 = none.
    distances: (n, k), cosine distance in [0, 2], inf = none.
    classes: c, the number of classes.
    vote: the rule, see the module.
    aggregate: for minmax only, whether a class scores its best neighbour or the mean of its neighbours; for every vote
    a number m, at least 1, the neighbours of each class that its score is the mean of.
    temperature: for softmax only, t, above 0.
    max_distance: neighbours beyond it do not vote.
    weights: (n, k) in [0, 1], of each neighbour's vote; None = 1.
    Raises ConfigError for a vote or an aggregate that does not exist.

    Worked example: distances (0.1, 0.2, 0.5) of classes (a, b, a). minmax: u = (1, 0.75, 0), so a = 1 and b = 0.75.
    rank: 1/2, 1/3, 1/4 over their sum 13/12, so a = 9/13 and b = 4/13. minmax with aggregate = 2: a = (1 + 0) / 2
    and b = 0.75. rank with weights (1/9, 1, 1): 1/18, 1/3, 1/4 over 23/36, so a = 11/23 and b = 12/23.
    """
    check_choice("vote", vote, VOTES)
    if not isinstance(aggregate, int):
        check_choice("aggregate", aggregate, REDUCTIONS)
    valid = voting(neighbour_classes, distances, max_distance)  # (n, k)
    units = _weighted(VOTES[vote](distances, valid, temperature), weights, vote)  # (n, k)
    if isinstance(aggregate, int):
        units = best_units(units, neighbour_classes, distances, valid, vote, aggregate)
    target = torch.where(valid, neighbour_classes, torch.full_like(neighbour_classes, classes))  # one bin for "none"
    bins = distances.new_zeros(len(distances), classes + 1)  # (n, c + 1)
    # (n, k) scattered by class -> (n, c + 1), then the bin for "none" is cut off -> (n, c)
    if vote != "minmax" or isinstance(aggregate, int):
        return bins.scatter_add(1, target, units)[:, :classes]
    return bins.scatter_reduce(1, target, units, reduce=REDUCTIONS[aggregate], include_self=False)[:, :classes]


def trust_weights(trust: Float[Tensor, "n k"], least: float) -> Float[Tensor, "n k"]:
    """Return the weights of votes by the trust in their labels, [0, 1].

    trust: (n, k) in [0, 1], NaN = not known.
    least: trust in [0, 1] from which a label votes whole; 0: all do.

    Worked example: trust 0.25 has the odds 1/3. With least = 0.5, odds 1, the vote counts (1/3) ** 2 = 1/9; with least
    = 0.4, odds 2/3, (1/2) ** 2 = 1/4; with least = 0.2 it counts 1, as 0.6 and what is not known always do here.
    """
    ratio = trust * (1.0 - least) / ((1.0 - trust) * least)  # (n, k); 0 / 0 where both are 0, or both 1: whole
    return ratio.clamp(max=1.0).square().nan_to_num(1.0)


def voting(
    neighbour_classes: Int64[Tensor, "n k"], distances: Float[Tensor, "n k"], max_distance: float | None = None
) -> Bool[Tensor, "n k"]:
    """Return which places hold a neighbour that votes: one with a class, at a distance, and within reach."""
    valid = (neighbour_classes >= 0) & torch.isfinite(distances)  # (n, k)
    return valid if max_distance is None else valid & (distances <= max_distance)


def best_units(
    units: Float[Tensor, "n k"],
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    valid: Bool[Tensor, "n k"],
    vote: Vote,
    best: int,
) -> Float[Tensor, "n k"]:
    """Return the part of each neighbour in the mean of the best of its class; softmax and rank sum to 1 over them all.

    units: (n, k) the votes u in [0, 1].
    valid: (n, k) which of them count.
    best: m, how many of a class, at least 1.
    """
    parts = units * best_of_class(neighbour_classes, distances, valid, best)  # (n, k)
    return parts if vote == "minmax" else parts / parts.sum(1, keepdim=True).clamp(min=1e-12)


def _weighted(units: Float[Tensor, "n k"], weights: Float[Tensor, "n k"] | None, vote: Vote) -> Float[Tensor, "n k"]:
    if weights is None:
        return units
    parts = units * weights.to(units.dtype)  # (n, k)
    return parts if vote == "minmax" else parts / parts.sum(1, keepdim=True).clamp(min=1e-12)


def _minmax(distances: Float[Tensor, "n k"], valid: Bool[Tensor, "n k"], _: float) -> Float[Tensor, "n k"]:
    if not distances.shape[1]:
        return distances
    nearest = distances.masked_fill(~valid, torch.inf).amin(1, keepdim=True)  # (n, 1)
    farthest = distances.masked_fill(~valid, -torch.inf).amax(1, keepdim=True)  # (n, 1)
    spread = farthest - nearest  # (n, 1)
    share = (distances - nearest) / torch.where(spread > 1e-6, spread, torch.ones_like(spread))  # (n, k)
    units = torch.where(spread > 1e-6, 1.0 - share, torch.ones_like(share))  # (n, k)
    return torch.where(valid, units, torch.zeros_like(units)).clamp(0.0, 1.0)


def _softmax(distances: Float[Tensor, "n k"], valid: Bool[Tensor, "n k"], temperature: float) -> Float[Tensor, "n k"]:
    logits = ((1.0 - distances) / temperature).masked_fill(~valid, -torch.inf)  # (n, k)
    return torch.softmax(logits, dim=1).nan_to_num(0.0)  # (n, k); a row without neighbours is 0/0


def _rank(distances: Float[Tensor, "n k"], valid: Bool[Tensor, "n k"], _: float) -> Float[Tensor, "n k"]:
    """Return the rank vote; equal distances share the mean weight of their ranks, so their order does not matter."""
    d = distances.masked_fill(~valid, torch.inf).contiguous()  # (n, k)
    ordered = d.sort(dim=1).values  # (n, k)
    before = torch.searchsorted(ordered, d)  # (n, k) how many are strictly nearer
    tied = torch.searchsorted(ordered, d, right=True) - before  # (n, k) how many are equally near
    weight = 1.0 / (2.0 + torch.arange(2 * d.shape[1] + 1, dtype=distances.dtype, device=distances.device))  # (2k + 1,)
    total = torch.cat([weight.new_zeros(1), weight.cumsum(0)])  # (2k + 2,); total[b] - total[a] = ranks a .. b-1
    units = torch.where(valid, (total[before + tied] - total[before]) / tied, torch.zeros_like(distances))  # (n, k)
    return units / units.sum(1, keepdim=True).clamp(min=1e-12)


VOTES: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = {"minmax": _minmax, "softmax": _softmax, "rank": _rank}
REDUCTIONS: Mapping[str, str] = {"max": "amax", "mean": "mean"}
