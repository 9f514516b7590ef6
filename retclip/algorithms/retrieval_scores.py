"""Retrieval scores: the neighbours of a mask vote on its class (paper, section 2.2; method.md 7.3, 7.4).

Three votes over the k neighbours of one mask, with distances d_i and classes y_i:

    minmax   u_i = 1 - (d_i - d_min) / (d_max - d_min);  score[c] = max (or mean) of u_i over y_i = c      (the paper)
    softmax  u_i = exp((1 - d_i) / t) / sum of the same over i;  score[c] = sum of u_i over y_i = c
    rank     u_i = 1 / (2 + rank_i) / sum of the same;  score[c] = sum of u_i over y_i = c     (arXiv 2408.08172)

The minimum and maximum run over the neighbours of that one mask, so masks are judged independently. The nearest always
scores 1, however far it is; that is what the other two votes mend. With per-class retrieval the k neighbours are the
nearest few of *each* class, and min-max then compares classes. All distances equal, or one neighbour: score 1. A class
without a neighbour scores 0, a mask without any neighbour 0 everywhere.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

VOTES = ("minmax", "softmax", "rank")


def retrieval_scores(
    neighbour_classes: Int64[Tensor, "n k"],
    distances: Float[Tensor, "n k"],
    classes: int,
    vote: str = "minmax",
    aggregate: str = "max",
    temperature: float = 0.07,
    max_distance: float | None = None,
) -> Float[Tensor, "n c"]:
    """Scores in [0, 1]. neighbour_classes: -1 = none. distances: cosine, [0, 2], inf = none. aggregate: "max" or
    "mean", for minmax alone. max_distance: neighbours beyond it do not vote.

    Worked example: distances (0.1, 0.2, 0.5) of classes (a, b, a). minmax: u = (1, 0.75, 0), so a = 1 and b = 0.75.
    rank: 1/2, 1/3, 1/4 over their sum 13/12, so a = 9/13 and b = 4/13.
    """
    valid = (neighbour_classes >= 0) & torch.isfinite(distances)
    if max_distance is not None:
        valid = valid & (distances <= max_distance)
    units = {"minmax": _minmax, "rank": _rank}.get(vote, lambda d, v: _softmax(d, v, temperature))(distances, valid)
    target = torch.where(valid, neighbour_classes, torch.full_like(neighbour_classes, classes))  # one bin for "none"
    empty = torch.zeros(len(distances), classes + 1, dtype=distances.dtype, device=distances.device)
    if vote != "minmax":
        return empty.scatter_add(1, target, units)[:, :classes]
    reduce = "amax" if aggregate == "max" else "mean"
    return empty.scatter_reduce(1, target, units, reduce=reduce, include_self=False)[:, :classes]


def _minmax(distances: Tensor, valid: Tensor) -> Tensor:
    nearest = distances.masked_fill(~valid, torch.inf).amin(1, keepdim=True) if distances.shape[1] else distances
    farthest = distances.masked_fill(~valid, -torch.inf).amax(1, keepdim=True) if distances.shape[1] else distances
    spread = farthest - nearest
    share = (distances - nearest) / torch.where(spread > 1e-6, spread, torch.ones_like(spread))
    units = torch.where(spread > 1e-6, 1.0 - share, torch.ones_like(share))
    return torch.where(valid, units, torch.zeros_like(units)).clamp(0.0, 1.0)


def _softmax(distances: Tensor, valid: Tensor, temperature: float) -> Tensor:
    logits = ((1.0 - distances) / temperature).masked_fill(~valid, -torch.inf)
    return torch.softmax(logits, dim=1).nan_to_num(0.0)  # a row without neighbours is 0/0


def _rank(distances: Tensor, valid: Tensor) -> Tensor:
    """Equal distances share the mean weight of their ranks, so that the answer does not hang on their order."""
    d = distances.masked_fill(~valid, torch.inf).contiguous()
    ordered = d.sort(dim=1).values
    before = torch.searchsorted(ordered, d)  # (n, k) how many are strictly nearer
    tied = torch.searchsorted(ordered, d, right=True) - before
    weight = 1.0 / (2.0 + torch.arange(2 * d.shape[1] + 1, dtype=distances.dtype, device=distances.device))
    total = torch.cat([weight.new_zeros(1), weight.cumsum(0)])  # total[b] - total[a] = weights of ranks a .. b-1
    units = torch.where(valid, (total[before + tied] - total[before]) / tied, torch.zeros_like(distances))
    return units / units.sum(1, keepdim=True).clamp(min=1e-12)
