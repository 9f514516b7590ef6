"""Vote shrinkage: what is left of retrieval's weight, by how a mask's neighbours agree and how many a class has.

    h[c] = a * n_c / (n_c + m)                gamma of class c = h[c] * gamma

n_c is the number of voting neighbours of class c. The agreement a = max over classes of n_c / sum over classes of n_c
is the share of the most frequent one: neighbours of eight classes are no evidence for any. m is the number of
*pseudo-neighbours*, who say nothing: with n_c = m half of the weight is left. That is the factor by which the mean of n
observations is shrunk towards a prior that is worth m of them; here the prior is what CLIP says. Each of the two can be
left out, and then counts as 1. Where what was not asked for competes, each of its stored classes counts for itself, as
if it had been asked for, and the rest has the h of the one that speaks for it (`best_of_rest`).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def vote_shrinkage(
    neighbour_classes: Int64[Tensor, "n k"], valid: Bool[Tensor, "n k"], classes: int, pseudo_neighbours: float = 0.0,
    agreement: bool = False,
) -> Float[Tensor, "n c"]:  # fmt: skip
    """Return h of each mask and class in [0, 1]; 0 for a mask without a voting neighbour, so that CLIP alone has it.

    neighbour_classes: (n, k) class index, -1 = none.
    valid: (n, k), which neighbours vote.
    classes: c, the number of classes.
    pseudo_neighbours: m, at least 0; above 0 a class without a voting neighbour has 0, too.
    agreement: whether a counts.

    Worked example: six of eight neighbours are dogs, two are cats. m = 2: 6/8 = 0.75 for dog, 2/4 = 0.5 for cat, 0 for
    any other class. By agreement 6/8 = 0.75 for every class. Both: 0.5625 for dog, 0.375 for cat.
    """
    target = torch.where(valid, neighbour_classes, torch.full_like(neighbour_classes, classes))  # (n, k)
    bins = torch.zeros(len(target), classes + 1, device=target.device)  # (n, c + 1), the last for "none"
    counts = bins.scatter_add(1, target, torch.ones_like(target, dtype=bins.dtype))[:, :classes]  # (n, c)
    voters = counts.sum(dim=1, keepdim=True)  # (n, 1)
    left = counts / (counts + pseudo_neighbours) if pseudo_neighbours else (voters > 0).to(counts).expand_as(counts)
    return left * counts.amax(dim=1, keepdim=True) / voters.clamp(min=1.0) if agreement else left
