"""Vote shrinkage: what is left of retrieval's weight for a class, by how many of a mask's neighbours speak for it.

    h[c] = n_c / (n_c + m)                gamma of class c = h[c] * gamma

n_c is the number of voting neighbours of class c, so that of k neighbours both their number and their agreement count;
m is the number of *pseudo-neighbours*, who say nothing: with n_c = m half of the weight is left. It is the factor by
which the mean of n observations is shrunk towards a prior that is worth m of them; here the prior is what CLIP says.
One neighbour among many others is weak evidence, where min-max gives it a score of up to 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def vote_shrinkage(
    neighbour_classes: Int64[Tensor, "n k"], valid: Bool[Tensor, "n k"], classes: int, pseudo_neighbours: float
) -> Float[Tensor, "n c"]:
    """Return h of each mask and class in [0, 1); 0 for a class without a voting neighbour, so that CLIP alone has it.

    neighbour_classes: (n, k) class index, -1 = none.
    valid: (n, k), which neighbours vote.
    classes: c, the number of classes.
    pseudo_neighbours: m, above 0.

    Worked example with m = 2: six of eight neighbours are dogs, two are cats: 6/8 = 0.75 for dog, 2/4 = 0.5 for cat, 0
    for any other class. Without neighbours 0 throughout.
    """
    target = torch.where(valid, neighbour_classes, torch.full_like(neighbour_classes, classes))  # (n, k)
    bins = torch.zeros(len(target), classes + 1, device=target.device)  # (n, c + 1), the last for "none"
    counts = bins.scatter_add(1, target, torch.ones_like(target, dtype=bins.dtype))[:, :classes]  # (n, c)
    return counts / (counts + pseudo_neighbours)
