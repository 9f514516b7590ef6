"""Trees of masks: regions that were merged step by step, and the cut through them that class scores choose.

A tree of masks is a forest of nested ones: the masks of a node's children add up to the node's own. What is linear in a
mask (its area, its weights on a feature grid, the votes of its pixels) is therefore computed for the leaves alone and
summed up. A *cut* is a set of nodes that covers every leaf once. The best one has the largest

    sum over its nodes n of  share(n) * max over classes of e[n, class]  -  cost * doubt^power
    e[n] = own * s[n] + (1 - own) * mean over the leaves l below n, weighted by area, of s[l]
    doubt = 1 - mean over all leaves l, weighted by area, of max over classes of s[l, class]

where share is the area as a share of all leaves and s the class scores. The leaves' mean alone never speaks for a whole
more than for its parts, each of which may take another class. So each mask costs as much as a score of 1 on a share of
the photo: a whole is taken where its parts agree nearly as well as each for itself, or where its own scores are clearer
than theirs. The less sure a photo's leaves are, the more of what tells them apart is chance, and the more a mask costs;
a larger power parts sure photos from unsure ones further. Stuff and things go through the same cut; what becomes of
masks of one class is the merge's affair. The rule is ours.

A semantic map asks for a class of each pixel, not for whole masks, so the chosen ones need not speak alone: as in
FC-CLIP's semantic output (`semantic_map`) every mask that a pixel lies in says its scores, up to the chosen one. What
lies above was not worth a mask, and says nothing.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from retclip.algorithms.mask_pooling import area_weights
from retclip.types import MaskMap

ROOT = -1  # the parent of a node that has none


def leaves(parents: Int64[Tensor, "n"]) -> Bool[Tensor, "n"]:
    """Return whether each node has no children.

    parents: (n,) index of each node's parent, which comes after it; -1 = none.
    """
    is_leaf = torch.ones(len(parents), dtype=torch.bool, device=parents.device)  # (n,)
    is_leaf[parents[parents != ROOT]] = False
    return is_leaf


def summed_up(values: Float[Tensor, "m ..."], parents: Int64[Tensor, "n"]) -> Float[Tensor, "n ..."]:
    """Return for every node the sum of its leaves' values.

    values: (m, ...) of the leaves, in their order among the nodes.
    parents: as `leaves` takes it.

    Worked example: leaves 0 and 1 with values 2 and 3 under node 2, leaf 3 with 4, both under node 4: 2, 3, 5, 4, 9.
    """
    total = values.new_zeros(len(parents), *values.shape[1:])  # (n, ...)
    total[leaves(parents).to(values.device)] = values
    for node, parent in enumerate(parents.tolist()):  # a parent comes after its children, so a node is complete here
        if parent != ROOT:
            total[parent] += total[node]
    return total


def tree_weights(
    masks: Float[Tensor, "n y x"] | MaskMap,
    parents: Int64[Tensor, "n"],
    size: tuple[int, int],
    extent: tuple[float, float] = (1.0, 1.0),
    steps: int = 0,
) -> Float[Tensor, "n h w"]:
    """Return `area_weights` of every mask of a tree, computed for the leaves and summed up; equal but for rounding."""
    below = leaves(parents)  # (n,)
    if isinstance(masks, MaskMap):
        return summed_up(area_weights(masks, size, extent, steps)[below.to(masks.owners.device)], parents)
    return summed_up(area_weights(masks[below.to(masks.device)], size, extent, steps), parents)


def tree_areas(masks: Float[Tensor, "n y x"] | MaskMap, parents: Int64[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Return the area of every mask of a tree in cells."""
    below = leaves(parents)  # (n,)
    if isinstance(masks, MaskMap):
        cells = torch.bincount(masks.owners.flatten() + 1, minlength=masks.count + 1)[1:]  # (n,)
        return summed_up(cells[below.to(cells.device)].float(), parents)
    return summed_up(masks[below.to(masks.device)].sum(dim=(1, 2)), parents)


def tree_evidence(
    scores: Float[Tensor, "n c"], areas: Float[Tensor, "n"], parents: Int64[Tensor, "n"], own: float
) -> Float[Tensor, "n c"]:
    """Return e of the module's formula.

    scores: (n, c) class scores s in [0, 1].
    areas: (n,) of the masks, above 0, any unit.
    own: weight of a node's own scores beside its leaves', in [0, 1]. A leaf keeps its own.
    """
    below = leaves(parents).to(scores.device)  # (n,)
    votes = summed_up(scores[below] * areas[below, None], parents)  # (n, c)
    return own * scores + (1.0 - own) * votes / areas[:, None]


def doubt(scores: Float[Tensor, "n c"], areas: Float[Tensor, "n"], parents: Int64[Tensor, "n"]) -> float:
    """Return the doubt of the module's formula, in [0, 1]; 0 where there is no mask.

    Worked example: leaves of areas 1 and 3 with best scores 0.9 and 0.5: 1 - (0.9 + 3 * 0.5) / 4 = 0.4.
    """
    below = leaves(parents).to(scores.device)  # (n,)
    weights, values = areas[below], scores[below]  # (m,), (m, c)
    if not values.numel():
        return 1.0 if len(values) else 0.0
    return float(1.0 - (values.amax(dim=1) * weights).sum() / weights.sum())


def best_cut(
    evidence: Float[Tensor, "n c"], areas: Float[Tensor, "n"], parents: Int64[Tensor, "n"], cost: float
) -> Int64[Tensor, "m"]:
    """Return the nodes of the best cut, ascending; of equally good ones that of the larger masks.

    evidence: (n, c) e of the module's formula.
    areas: (n,) of the masks, any unit.
    cost: of each mask, a share of the photo, 0 or more; the module's cost * doubt^power.

    Worked example: two leaves of half the photo each, e = (0.8, 0.2) and (0.4, 0.6), under a node with their mean,
    (0.6, 0.4). The parts have 0.5 * 0.8 + 0.5 * 0.6 - 2 cost = 0.7 - 2 cost, the whole 0.6 - cost: at a cost of 0.1
    and above it is chosen.
    """
    shares = areas / areas[leaves(parents).to(areas.device)].sum()  # (n,)
    value = ((evidence.amax(dim=1) if evidence.shape[1] else shares * 0) * shares - cost).double().tolist()
    above = parents.tolist()
    below: list[float | None] = [None] * len(above)  # the best that a node's children reach together
    whole = []  # (n,) whether a node is better than that
    for node, parent in enumerate(above):
        parts = below[node]
        whole.append(parts is None or value[node] >= parts)
        best = value[node] if parts is None or whole[-1] else parts
        if parent != ROOT:
            below[parent] = best + (below[parent] or 0.0)
    chosen, is_open = list[int](), [True] * len(above)  # open: no node above it is chosen
    for node in reversed(range(len(above))):
        parent = above[node]
        is_open[node] = parent == ROOT or (is_open[parent] and not whole[parent])
        if is_open[node] and whole[node]:
            chosen.append(node)
    return torch.tensor(chosen[::-1], dtype=torch.int64)


def scores_up_to_cut(
    scores: Float[Tensor, "n c"], chosen: Int64[Tensor, "m"], parents: Int64[Tensor, "n"]
) -> Float[Tensor, "l c"]:
    """Return for every leaf the mean score of the masks that it lies in, from itself up to the chosen one.

    scores: (n, c) class scores.
    chosen: (m,) nodes of a cut.
    parents: as `leaves` takes it.

    Worked example: leaves 0 and 1 under node 2 with the scores 0.2, 0.6 and 0.4, leaf 3 with 1, both under node 4 with
    0: of the cut (2, 3) leaf 0 has (0.2 + 0.4) / 2 = 0.3, leaf 1 has 0.5, and leaf 3 has 1.
    """
    sums, counts = scores.clone(), [1] * len(parents)
    cut = set(chosen.tolist())
    for node, parent in reversed(list(enumerate(parents.tolist()))):  # a parent comes after its children
        if parent != ROOT and node not in cut:
            sums[node] += sums[parent]
            counts[node] += counts[parent]
    below = leaves(parents).to(scores.device)  # (n,)
    return sums[below] / torch.tensor(counts, dtype=scores.dtype, device=scores.device)[below, None]
