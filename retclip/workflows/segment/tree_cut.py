"""Of a tree of masks the ones that its class scores choose, with everything that is known of them.

"No object" counts like a class: a photo of which little was asked is not one mask of nothing, nor of the little.

What is left is an ordinary set of masks that do not overlap: what follows, evidence included, knows no tree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from retclip.algorithms.mask_tree import best_cut, doubt, leaves, scores_up_to_cut, tree_areas, tree_evidence
from retclip.evidence import DecisionInputs, TreeParts
from retclip.types import ClassScores, MaskProposals, Neighbours
from retclip.workflows.segment.neighbours import of_masks

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Decided:
    """The masks of an image and what was found out about each.

    combined: (n, c) scores of the ensemble, already multiplied by 1 - void.
    void: (n,) its probability of "no object".
    uncut: of masks that were chosen from a tree; None = they were proposed as they are.
    """

    proposals: MaskProposals
    neighbours: Neighbours | None
    scores: tuple[ClassScores, ...]
    combined: Tensor
    void: Tensor
    inputs: DecisionInputs | None = None
    uncut: Uncut | None = None

    def semantic_scores(self) -> tuple[MaskProposals, Tensor]:
        """Return what a semantic map is made of: masks, and their class scores, (n, c).

        Of masks that were cut from a tree these are its leaves, with what every mask that they lie in says, up to the
        chosen one (`algorithms.mask_tree`).
        """
        if self.uncut is None:
            return self.proposals, self.combined
        tree, parents, chosen = self.uncut
        below = leaves(parents).nonzero()[:, 0]  # (l,)
        return tree.proposals.picked(below), scores_up_to_cut(tree.combined, chosen, parents)


class Uncut(NamedTuple):
    """A tree of masks before it was cut.

    parents: (n,) int64; chosen: (m,) int64, the masks of the cut.
    """

    tree: Decided
    parents: Tensor
    chosen: Tensor


def at_best_cut(decided: Decided, parents: Tensor, own: float, cost: float, power: float = 2.0) -> Decided:
    """Return the masks of the best cut, flat; their combined scores and void are mixed with those of their parts.

    decided: of a tree of masks.
    parents: (n,) int64, `MaskProposals.parents`.
    own: weight of a mask's own scores beside its parts', in [0, 1].
    cost: of each mask where nothing is sure, a share of the photo (`algorithms.mask_tree`).
    power: of the doubt that the cost is multiplied by, 0 or more.
    """
    proposals, combined = decided.proposals, decided.combined
    parents = parents.cpu()
    areas = tree_areas(proposals.form, parents).to(combined.device).clamp(min=1e-6)  # (n,); a mask may be empty
    scores = torch.cat([combined, decided.void.to(combined)[:, None]], dim=1)  # (n, c + 1)
    evidence = tree_evidence(scores, areas, parents, own)  # (n, c + 1)
    chosen = best_cut(evidence, areas, parents, cost * doubt(scores, areas, parents) ** power)  # (m,)
    of_chosen = evidence[chosen.to(evidence.device)]  # (m, c + 1)
    return Decided(
        proposals.picked(chosen),
        None if decided.neighbours is None else of_masks(decided.neighbours, chosen),
        tuple(scores_of_masks(scores, chosen) for scores in decided.scores),
        of_chosen[:, :-1],
        of_chosen[:, -1].to(decided.void),
        None if decided.inputs is None else _inputs_of_cut(decided, chosen, areas, parents, own),
        Uncut(decided, parents, chosen),
    )


def _inputs_of_cut(decided: Decided, chosen: Tensor, areas: Tensor, parents: Tensor, own: float) -> DecisionInputs:
    """Return what the decisions of the chosen masks need to be made again: their own inputs, and their leaves'."""
    inputs, neighbours = decided.inputs, decided.neighbours
    if inputs is None or neighbours is None:
        raise ValueError("a tree whose classifiers did not vote")  # the caller knows
    position = {node: place for place, node in enumerate(chosen.tolist())}
    owners: dict[int, int] = {}  # node -> the chosen one at or above it
    for node in reversed(range(len(parents))):  # parents come after their children
        owner = node if node in position else owners.get(int(parents[node]))
        if owner is not None:
            owners[node] = owner
    below = leaves(parents).tolist()
    rows = [node for node, owner in sorted(owners.items()) if below[node] and owner != node]
    at, above = torch.tensor(rows, dtype=torch.int64), torch.tensor([owners[node] for node in rows], dtype=torch.int64)
    shares = areas.cpu()[at] / areas.cpu()[above]  # (l,)
    parts = TreeParts(
        torch.tensor([position[owners[node]] for node in rows], dtype=torch.int64),
        shares.float(),
        own,
        of_masks(neighbours, at),
        tuple(scores_of_masks(scores, at) for scores in decided.scores),
        inputs_of_masks(inputs, at),
    )
    return replace(inputs_of_masks(inputs, chosen), parts=parts)


def inputs_of_masks(inputs: DecisionInputs, masks: Tensor) -> DecisionInputs:
    """Return the inputs of some masks, without the parts of any. masks: (m,) int64."""
    possible = None if inputs.possible is None else inputs.possible[masks]
    return replace(
        inputs, beyond=of_masks(inputs.beyond, masks), covered=inputs.covered[masks], possible=possible, parts=None
    )


def scores_of_masks(scores: ClassScores, masks: Tensor) -> ClassScores:
    """Return the scores of some masks. masks: (m,) int64."""
    optional = {
        name: getattr(scores, name) for name in ("void", "speaks", "shares", "certainty", "shrinkage", "effects")
    }
    picked = {name: rows[masks.to(rows.device)] for name, rows in optional.items() if rows is not None}
    return replace(scores, values=scores.values[masks.to(scores.values.device)], **picked)
