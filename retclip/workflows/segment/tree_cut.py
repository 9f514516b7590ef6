"""Of a tree of masks the ones that its class scores choose, with everything that is known of them.

"No object" counts like a class: a photo of which little was asked is not one mask of nothing, nor of the little.

What is left is an ordinary set of masks that do not overlap: what follows, evidence included, knows no tree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from retclip.algorithms.mask_tree import best_cut, doubt, leaves, summed_up, tree_evidence
from retclip.types import ClassScores, MaskProposals, Neighbours

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Decided:
    """The masks of an image and what was found out about each.

    combined: (n, c) scores of the ensemble, already multiplied by 1 - void.
    void: (n,) its probability of "no object".
    """

    proposals: MaskProposals
    neighbours: Neighbours | None
    scores: tuple[ClassScores, ...]
    combined: Tensor
    void: Tensor


def at_best_cut(decided: Decided, parents: Tensor, own: float, cost: float) -> Decided:
    """Return the masks of the best cut, flat; their combined scores and void are mixed with those of their parts.

    decided: of a tree of masks.
    parents: (n,) int64, `MaskProposals.parents`.
    own: weight of a mask's own scores beside its parts', in [0, 1].
    cost: of each mask where nothing is sure, a share of the photo (`algorithms.mask_tree`).
    """
    proposals, combined = decided.proposals, decided.combined
    parents = parents.cpu()
    of_leaves = proposals.masks[leaves(parents).to(proposals.masks.device)].sum(dim=(1, 2))  # (m,)
    areas = summed_up(of_leaves, parents).to(combined.device).clamp(min=1e-6)  # (n,); a mask may be empty
    scores = torch.cat([combined, decided.void.to(combined)[:, None]], dim=1)  # (n, c + 1)
    evidence = tree_evidence(scores, areas, parents, own)  # (n, c + 1)
    chosen = best_cut(evidence, areas, parents, cost * doubt(scores, areas, parents) ** 2)  # (m,)
    of_chosen = evidence[chosen.to(evidence.device)]  # (m, c + 1)
    return Decided(
        proposals.picked(chosen),
        None if decided.neighbours is None else _picked_neighbours(decided.neighbours, chosen),
        tuple(_picked_scores(scores, chosen) for scores in decided.scores),
        of_chosen[:, :-1],
        of_chosen[:, -1].to(decided.void),
    )


def _picked_neighbours(near: Neighbours, chosen: Tensor) -> Neighbours:
    at = chosen.to(near.classes.device)
    return replace(near, ids=near.ids[chosen.numpy()], classes=near.classes[at], distances=near.distances[at])


def _picked_scores(scores: ClassScores, chosen: Tensor) -> ClassScores:
    optional = {name: getattr(scores, name) for name in ("void", "speaks", "shares")}
    picked = {name: rows[chosen.to(rows.device)] for name, rows in optional.items() if rows is not None}
    return replace(scores, values=scores.values[chosen.to(scores.values.device)], **picked)
