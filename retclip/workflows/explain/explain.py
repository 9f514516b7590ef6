"""Explains a predicted segment: the scores of each classifier, and the stored segments that caused them.

Works on evidence alone: no image is decoded again and no model is loaded. What the store says of a neighbour is what it
says *now*; a neighbour that has been removed since is shown as gone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from retclip.algorithms.ensemble import EnsembleWeights, retrieval_weights
from retclip.algorithms.negative_examples import barred_voters
from retclip.errors import DataError
from retclip.evidence import Evidence
from retclip.store.feature_store import FeatureStore
from retclip.store.records import VectorMaker
from retclip.types import REST, ClassScores, Neighbours, PanopticSegmentation
from retclip.workflows.explain.explanation import ExplainedNeighbour, Explanation, NegativeExample, Painter, Vote
from retclip.workflows.explain.margin import Margin, margin
from retclip.workflows.explain.near_prototypes import near_prototypes
from retclip.workflows.explain.replay import Voters, replayed
from retclip.workflows.explain.what_if import WhatIf, Without, best_scores, votes_of, what_if
from retclip.workflows.segment.neighbours import of_masks
from retclip.workflows.segment.tree_cut import scores_of_masks


@dataclass(frozen=True)
class Again:
    """Who votes again, and without what.

    voters: the classifiers that vote with neighbours, by name, as they were set then.
    """

    voters: Voters
    without: Without


def explain(
    store: FeatureStore | None,
    result: PanopticSegmentation,
    evidence: Evidence,
    segment_id: int,
    mask: int | None = None,
    painter: Painter | None = None,
    again: Again | None = None,
) -> Explanation:
    """Return the explanation of the segment with that id in the label map.

    mask: one of the masks the segment is made of; None = its largest.
    painter: draws the explanation; None = it has no picture.
    again: votes again, for the margin and for an answer without some segments; None = neither is asked.
    Raises DataError for an unknown id, and for an answer without some segments that the evidence does not allow.
    """
    segment = next((candidate for candidate in result.segments if candidate.id == segment_id), None)
    if segment is None:
        available = ", ".join(f"{segment.id} ({segment.class_name})" for segment in result.segments) or "none"
        raise DataError("a segment id of this result", str(segment_id), f"choose one of: {available}")
    n = segment.proposal if mask is None else mask
    if not 0 <= n < len(evidence.combined):
        raise DataError(
            "a segment that a mask of this result became", f"segment {segment.id}", "segment the image again"
        )
    inside = result.label_map == segment.id
    parts = np.full(inside.sum(), n) if result.mask_map is None else result.mask_map[inside]
    names, voter = evidence.vocabulary.names, _voter(evidence)
    combined = best_scores(names, evidence.combined[n], segment.class_index)
    scores = {_source(source): best_scores(names, source.values[n], segment.class_index) for source in evidence.scores}
    unknown = {_source(source): _unknown(source, n, names) for source in evidence.scores}
    x0, y0, x1, y1 = (int(edge) for edge in evidence.boxes[n])
    barred = [] if evidence.neighbours is None else _barred(evidence.neighbours, n)
    smallest, otherwise = _decided_again(store, evidence, n, again)
    return Explanation(
        segment=segment, mask=n, masks=len(np.unique(parts)), mask_area=int((parts == n).sum()),
        box=(x0, y0, x1, y1), image_uri=evidence.image_uri, image_sha256=evidence.image_sha256,
        neighbours=_neighbours(store, evidence, n, voter, barred), scores=scores, unknown=unknown,
        combined=combined,
        void=float(evidence.void[n]), settings=dict(evidence.settings),
        match=next((candidate for candidate in evidence.matches if candidate.name == segment.class_name), None),
        vote=_vote(evidence, n, voter), classes=names, painter=painter,
        negatives=_negatives(evidence, n, barred), margin=smallest, what_if=otherwise,
        gamma=_gamma(evidence, n, tuple(combined)),
        prototypes=near_prototypes(store, evidence, n, segment.class_name),
    )  # fmt: skip


def _gamma(evidence: Evidence, mask: int, classes: Sequence[str]) -> dict[str, float]:
    """Return the weight of retrieval beside CLIP by class; empty where no classifier voted or no weights are kept."""
    weights, names = evidence.settings.get("ensemble"), evidence.vocabulary.names
    if weights is None or evidence.inputs is None:
        return {}
    own = [scores_of_masks(source, torch.tensor([mask])) for source in evidence.scores]
    row = retrieval_weights(own, EnsembleWeights(**weights), evidence.inputs.covered[[mask]])[0]
    return {name: float(row[names.index(name)]) for name in classes}


def segment_at(result: PanopticSegmentation, x: int, y: int) -> tuple[int, int | None]:
    """Return the id of the segment at a pixel, and which of its masks lies there, None where the map does not record
    it.

    x, y: image pixels.
    Raises DataError outside the image or on void.
    """
    height, width = result.label_map.shape
    if not (0 <= x < width and 0 <= y < height):
        raise DataError(f"a pixel inside {width} x {height}", f"({x}, {y})", "count from the upper left, x first")
    segment_id = int(result.label_map[y, x])
    if not segment_id:
        todo = "choose another, see the overlay, or ask for more names"
        raise DataError("a labelled pixel", f"({x}, {y}), which no segment covers", todo)
    return segment_id, None if result.mask_map is None else int(result.mask_map[y, x])


def _barred(near: Neighbours, n: int) -> list[bool]:
    """Return whether each neighbour of mask `n` is kept from voting by a negative example."""
    barred: list[bool] = barred_voters(of_masks(near, torch.tensor([n])))[0].tolist()
    return barred


def _negatives(evidence: Evidence, n: int, barred: Sequence[bool]) -> tuple[NegativeExample, ...]:
    near = evidence.neighbours
    if near is None or near.negatives is None:
        return ()
    counts = Counter(near.classes[n][torch.tensor(barred, dtype=torch.bool)].tolist())
    examples = list[NegativeExample]()
    for index in sorted(set(near.negatives.classes.tolist())):
        columns = (near.negatives.classes == index).nonzero()[:, 0]
        first = int(columns[near.negatives.distances[n, columns].argmin()])
        distance, name = float(near.negatives.distances[n, first]), evidence.vocabulary.names[index]
        examples.append(NegativeExample(name, near.negatives.ids[first], distance, len(columns), counts[index]))
    return tuple(sorted(examples, key=lambda example: example.distance))


def _decided_again(
    store: FeatureStore | None, evidence: Evidence, n: int, again: Again | None
) -> tuple[Margin | None, WhatIf | None]:
    if again is None or not (again.voters or again.without):
        return None, None
    try:
        rows, then = replayed(evidence, again.voters, [n])
    except DataError:  # another version voted, or none
        if again.without:
            raise
        return None, None
    answer = what_if(store, evidence, n, rows, again.voters, again.without) if again.without else None
    return margin(evidence, n, rows, then, again.voters) if again.voters else None, answer


def _source(scores: ClassScores) -> str:
    return scores.classifier or str(scores.role)


def _unknown(scores: ClassScores, n: int, names: tuple[str, ...]) -> list[str]:
    """Return the classes that a classifier abstains for, of mask `n`."""
    silent = scores.speaks is not None and not bool(scores.speaks[n])
    return [name for name, knows in zip(names, scores.knows.tolist(), strict=True) if silent or not knows]


def _voter(evidence: Evidence) -> ClassScores | None:
    """Return the first classifier with the share of each neighbour."""
    return next((source for source in evidence.scores if evidence.neighbours and source.shares is not None), None)


def _vote(evidence: Evidence, n: int, voter: ClassScores | None) -> Vote | None:
    if voter is None or evidence.neighbours is None:
        return None
    return Vote(_source(voter), voter.rule, votes_of(evidence, evidence.neighbours.classes[n], voter.values[n]))


def name_of(evidence: Evidence, index: int) -> str:
    """Return the name of a neighbour's class: of one that was not asked in words."""
    return evidence.vocabulary.names[index] if index < len(evidence.vocabulary) else REST


def _neighbours(
    store: FeatureStore | None, evidence: Evidence, n: int, voter: ClassScores | None, barred: Sequence[bool]
) -> tuple[ExplainedNeighbour, ...]:
    near = evidence.neighbours
    if near is None or store is None:
        return ()
    columns = [column for column in range(near.ids.shape[1]) if near.ids[n, column] is not None]
    ids = [near.ids[n, column] for column in columns]
    stored, unknown = store.segments.get(ids), VectorMaker(None, {})
    makers = store.segments.vector_makers(ids, str(evidence.settings.get("space", "")))
    taught = next((source.effects for source in evidence.scores if source.effects is not None), None)
    return tuple(
        ExplainedNeighbour(
            id=near.ids[n, column],
            distance=float(near.distances[n, column]),
            class_then=name_of(evidence, int(near.classes[n, column])),
            stored=stored.get(near.ids[n, column]),
            share=None if voter is None or voter.shares is None else float(voter.shares[n, column]),
            effect=None if taught is None else float(taught[n, column]),
            vector_run=makers.get(near.ids[n, column], unknown).run,
            vector_components=makers.get(near.ids[n, column], unknown).components,
            barred=bool(barred[column]),
            decorrelated=_decorrelated(near, n, column),
        )
        for column in columns
    )


def _decorrelated(near: Neighbours, n: int, column: int) -> float | None:
    far = float("inf") if near.decorrelated is None else float(near.decorrelated[n, column])
    return far if math.isfinite(far) else None
