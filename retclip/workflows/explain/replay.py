"""Decides masks again from their evidence, with other neighbours: vote, ensemble, a tree's parts. No model works.

The masks themselves stay as they are: of a tree the cut that was chosen, elsewhere the proposer's. What is not asked
again is which mask a pixel belongs to where several overlap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.algorithms.ensemble import EnsembleWeights, ensemble
from retclip.errors import DataError
from retclip.evidence import DecisionInputs, Evidence
from retclip.plugin.contracts import NeighbourVote
from retclip.types import ClassScores, Negatives, Neighbours, Role
from retclip.workflows.segment.neighbours import NOTHING, chosen_places, of_masks, parted, side_by_side
from retclip.workflows.segment.score_rules import lacking, pruned, without_void_of_some
from retclip.workflows.segment.tree_cut import scores_of_masks

Voters = Mapping[str, NeighbourVote]  # the classifiers that vote with neighbours, by name
TOLERANCE = 1e-4  # of scores that are computed a second time


@dataclass(frozen=True, eq=False)
class Rows:
    """What decides some masks: a row for each of them, and for each of their leaves.

    every: the neighbours that voted, and those behind them.
    owner: (r,) int64, which of the masks a row is of.
    weight: (r,) float32, its weight in that mask's scores; those of a mask sum to 1.
    """

    every: Neighbours
    scores: tuple[ClassScores, ...]
    covered: Tensor
    possible: Tensor | None
    owner: Tensor
    weight: Tensor

    def repeated(self, times: int) -> Rows:
        """Return the rows so many times over, each time as other masks."""
        at = torch.arange(len(self.owner)).repeat(times)
        number = torch.arange(times).repeat_interleave(len(self.owner))
        masks = int(self.owner.max()) + 1 if len(self.owner) else 0
        return replace(
            self,
            every=of_masks(self.every, at),
            scores=tuple(scores_of_masks(source, at) for source in self.scores),
            covered=self.covered[at],
            possible=None if self.possible is None else self.possible[at],
            owner=self.owner[at] + number * masks,
            weight=self.weight[at],
        )


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided again of m masks.

    combined: (m, c) after the ensemble; void: (m,).
    scores: of each classifier, of the rows.
    neighbours: that voted, of the rows.
    """

    combined: Tensor
    void: Tensor
    scores: tuple[ClassScores, ...]
    neighbours: Neighbours


def rows_of(evidence: Evidence, masks: Sequence[int]) -> Rows:
    """Return what decides these masks, their own rows first. Raises DataError for evidence that keeps too little."""
    inputs, neighbours = required_inputs(evidence), evidence.neighbours
    if neighbours is None:
        raise _no_vote()
    at = torch.tensor(list(masks), dtype=torch.int64)
    every = _near(neighbours, inputs.beyond, at)
    possible = None if inputs.possible is None else inputs.possible[at]
    plain = tuple(scores_of_masks(replace(source, shares=None, effects=None), at) for source in evidence.scores)
    rows = Rows(every, plain, inputs.covered[at], possible, torch.arange(len(at)), torch.ones(len(at)))
    parts = inputs.parts
    if parts is None:
        return rows
    position = torch.full((len(evidence.combined),), -1, dtype=torch.int64)
    position[at] = torch.arange(len(at))
    leaf_rows = (position[parts.owner] >= 0).nonzero()[:, 0]
    if not len(leaf_rows):
        return rows
    owner = position[parts.owner[leaf_rows]]
    leaves = _near(parts.neighbours, parts.inputs.beyond, leaf_rows)
    divided = torch.bincount(owner, minlength=len(at)) > 0
    below = parts.inputs.possible
    return Rows(
        _stacked(every, leaves),
        tuple(
            _joined(first, scores_of_masks(replace(second, shares=None, effects=None), leaf_rows))
            for first, second in zip(plain, parts.scores, strict=True)
        ),
        torch.cat([rows.covered, parts.inputs.covered[leaf_rows]]),
        None if possible is None or below is None else torch.cat([possible, below[leaf_rows]]),
        torch.cat([rows.owner, owner]),
        torch.cat([torch.where(divided, parts.own, 1.0), (1.0 - parts.own) * parts.shares[leaf_rows]]),
    )


def without_negatives(near: Neighbours, gone: Collection[UUID]) -> Neighbours:
    """Return the neighbours beside which some negative examples are no longer there."""
    negatives = near.negatives
    if negatives is None or not any(segment in gone for segment in negatives.ids):
        return near
    kept = [column for column, segment in enumerate(negatives.ids) if segment not in gone]
    left = Negatives(negatives.ids[kept], negatives.classes[kept], negatives.distances[:, kept])
    return replace(near, negatives=left)


def decide_again(
    evidence: Evidence, rows: Rows, voters: Voters, dropped: NDArray[np.bool_] | None = None,
    supported: Tensor | None = None,
) -> Decision:  # fmt: skip
    """Vote and combine again without some neighbours.

    dropped: (r, m) bool, which places of `rows.every` are left out; those behind them move up.
    supported: (c,) bool, the classes that the store would still have; None = the same as then.
    """
    inputs = required_inputs(evidence)
    every = rows.every if dropped is None else chosen_places(rows.every, ~dropped)
    if supported is not None:
        every = replace(every, supported=supported)
    neighbours, _ = parted(every, inputs.k, inputs.per_class)
    scores = []
    for source in rows.scores:
        voter = voters.get(source.classifier)
        scores.append(
            source
            if voter is None
            else replace(voter.vote(neighbours, rows.covered), void=source.void, classifier=source.classifier)
        )
    scores = pruned(without_void_of_some(scores), rows.possible, neighbours)
    weights = EnsembleWeights(**evidence.settings["ensemble"])
    combined, void = ensemble(scores, inputs.seen, weights, covered=rows.covered)
    mixed = torch.cat([combined, void[:, None].to(combined)], dim=1) * rows.weight[:, None]
    masks = int(rows.owner.max()) + 1 if len(rows.owner) else 0
    together = mixed.new_zeros(masks, mixed.shape[1]).index_add(0, rows.owner, mixed)
    return Decision(together[:, :-1], together[:, -1], tuple(scores), neighbours)


def label_of(evidence: Evidence, combined: Tensor, void: Tensor) -> Tensor:
    """Return (m,) int64 the class that each mask takes into the merge, -1 = it is no candidate
    (`algorithms.panoptic_merge`).

    combined: (m, c); void: (m,).
    """
    if not combined.shape[1]:
        return torch.full((len(combined),), -1, dtype=torch.int64)
    threshold = float(evidence.settings.get("segment", {}).get("object_mask_threshold", 0.0))
    best, labels = combined.max(dim=1)
    return torch.where((best > threshold) & (best > void), labels, torch.full_like(labels, -1))


def replayed(evidence: Evidence, voters: Voters, masks: Sequence[int]) -> tuple[Rows, Decision]:
    """Return what decides these masks, and their decision with the same neighbours.

    Raises DataError where it gives other scores than then, where stored segments decided by more than their vote, as in
    prototypes, and for evidence that keeps too little.
    """
    required_inputs(evidence)
    further = [source.classifier for source in evidence.scores if source.role is Role.RETRIEVAL]
    fixed = [name for name in further if name not in voters]
    if fixed:
        raise no_replay(fixed)
    rows = rows_of(evidence, masks)
    again = decide_again(evidence, rows, voters)
    at = torch.tensor(list(masks), dtype=torch.int64)
    apart = max(
        float((now - was).abs().max()) if now.numel() else 0.0
        for now, was in ((again.combined, evidence.combined[at]), (again.void, evidence.void[at]))
    )
    if not apart <= TOLERANCE:
        raise DataError(
            "evidence that can be decided again",
            f"scores that differ by {apart:g}: another version of {', '.join(voters)} made them",
            "segment the image again",
        )
    return rows, again


def no_replay(classifiers: Sequence[str]) -> DataError:
    """Return the error for an answer in which these classifiers took part, which do not vote by neighbours alone."""
    got = f"{', '.join(classifiers)}, whose scores depend on more of the store than evidence keeps"
    todo = "for an answer without stored segments quarantine them, segment again, and release them"
    return DataError("an answer by classifiers that vote by their neighbours alone", got, todo)


def void_uncertain(scores: Sequence[ClassScores], supported: Tensor) -> bool:
    """Return whether "no object" of a source might count that did not: another one lost a class that it lacks."""
    now = [
        replace(source, knows=source.knows & supported) if source.shares is not None else source for source in scores
    ]
    return any(
        was and not lacks and source.void is None
        for source, was, lacks in zip(scores, lacking(scores), lacking(now), strict=True)
        if source.shares is None
    )


def required_inputs(evidence: Evidence) -> DecisionInputs:
    """Return the evidence's inputs. Raises DataError where it has none."""
    if evidence.inputs is None:
        raise _no_vote()
    return evidence.inputs


def _near(voters: Neighbours, beyond: Neighbours, masks: Tensor) -> Neighbours:
    """Return the neighbours of some masks, those that vote and those behind them; prototypes no voter reads."""
    return replace(of_masks(side_by_side(voters, beyond), masks), prototypes=None)


def _no_vote() -> DataError:
    got = "one in which no stored segment voted, or that an earlier version wrote"
    return DataError("evidence that keeps what a vote needs", got, "segment the image again, with a store")


def _stacked(first: Neighbours, second: Neighbours) -> Neighbours:
    """Return the neighbours of the first's masks, then the second's."""
    width = max(first.ids.shape[1], second.ids.shape[1])
    both = [_widened(near, width) for near in (first, second)]
    places: dict[str, Any] = {name: torch.cat([near.places[name] for near in both]) for name in first.places}
    return replace(
        first,
        ids=np.concatenate([near.ids for near in both]),
        negatives=_stacked_negatives(first.negatives, second.negatives),
        **places,
    )


def _stacked_negatives(first: Negatives | None, second: Negatives | None) -> Negatives | None:
    if first is None or second is None:  # both are of one search
        return None
    return replace(first, distances=torch.cat([first.distances, second.distances]))


def _widened(near: Neighbours, width: int) -> Neighbours:
    more = width - near.ids.shape[1]
    pad, nobody = torch.nn.functional.pad, np.full((len(near.ids), more), None, dtype=object)
    padded: dict[str, Any] = {name: pad(values, (0, more), value=NOTHING[name]) for name, values in near.places.items()}
    return replace(near, ids=np.concatenate([near.ids, nobody], axis=1), **padded)


def _joined(first: ClassScores, second: ClassScores) -> ClassScores:
    optional: dict[str, Any] = {
        name: torch.cat([getattr(first, name), getattr(second, name)])
        for name in ("void", "speaks", "certainty", "shrinkage")
        if getattr(first, name) is not None and getattr(second, name) is not None
    }
    return replace(first, values=torch.cat([first.values, second.values]), **optional)
