"""The nearest stored segments of an image's masks: those that vote, and those behind them, kept for what-if answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.algorithms.voting_places import voting_places
from retclip.errors import ConfigError
from retclip.types import ClassPrototypes, Negatives, Neighbours, SegmentFeatures
from retclip.workflows.segment.neighbour_wants import NeighbourWants
from retclip.workflows.segment.parts import PreparedVocabulary, Segmenter, require_store

NOTHING = {
    "classes": -1,
    "distances": float("inf"),
    "trust": float("nan"),
    "of_rest": -1,
    "decorrelated": float("inf"),
}  # what stands at a place without a neighbour
SPARE = 2  # times as many are searched for where the less trusted drop out


@dataclass(frozen=True, eq=False)
class Searched:
    """The answer of one search.

    voters: of each mask the k segments that vote, of all classes or of each.
    beyond: the next nearest ones, `further` at most, of all classes or of each.
    """

    voters: Neighbours
    beyond: Neighbours
    k: int
    further: int
    per_class: bool


def search_neighbours(parts: Segmenter, prepared: PreparedVocabulary, segments: SegmentFeatures) -> Searched:
    """Return the neighbours of all covered masks by one batched search; an uncovered mask has none.

    Where a classifier reads so many of each class, they are searched for by class.
    """
    settings = parts.settings.retrieval
    wants = NeighbourWants.of(classifier.component for classifier in parts.classifiers)
    per_class = settings.per_class or wants.per_class > 0
    k = max(wants.per_class, settings.k if settings.per_class else 0) or settings.k
    further = min(settings.further, k)  # as many again can be lost without a trace; more would only cost room
    vectors, space = segments.vectors[segments.covered].float(), parts.keys.component.space
    wanted = (k + further) * (SPARE if settings.min_trust else 1)
    others = () if settings.scope != "all" or per_class else prepared.other_classes
    others = tuple(number for number in others if number not in prepared.rest)
    classes = (*prepared.store_classes, *prepared.rest, *others)
    nearest = require_store(parts).nearest(vectors, classes, wanted, per_class, space, wants.trust, settings.min_trust)
    if wants.vectors:
        found = [segment for segment in dict.fromkeys(nearest.ids.ravel().tolist()) if segment is not None]
        nearest = replace(nearest, vectors=require_store(parts).segments.vectors(found, space) if found else {})
    prototypes = _prototypes(parts, prepared, vectors, wants.prototypes) if wants.prototypes > 0 else None
    if prepared.rest:
        nearest = as_one_class(nearest, len(prepared.store_classes), len(prepared.rest), per_class)
    nearest = asked_alone(nearest, len(prepared.scored)) if others else nearest
    count, width = len(segments.covered), nearest.distances.shape[1]
    rows = segments.covered.nonzero()[:, 0].to(nearest.distances.device)  # (m,) the masks that were searched for
    ids = np.full((count, width), None, dtype=object)  # (n, k + further)
    ids[rows.cpu().numpy()] = nearest.ids
    spread: dict[str, Any] = {name: _spread(values, rows, name, count) for name, values in nearest.places.items()}
    negatives = nearest.negatives
    if negatives is not None:
        negatives = replace(negatives, distances=_spread(negatives.distances, rows, "distances", count))
    if prototypes is not None:
        prototypes = replace(prototypes, distances=_spread(prototypes.distances, rows, "distances", count))
    every = replace(nearest, ids=ids, negatives=negatives, **spread)
    voters, beyond = parted(every, k, per_class)
    voters = replace(voters, prototypes=prototypes)  # those behind them need none
    if settings.min_trust:  # more were searched for than are kept
        beyond = parted(beyond, further, per_class)[0]
    return Searched(voters, beyond, k, further, per_class)


def _prototypes(parts: Segmenter, prepared: PreparedVocabulary, vectors: torch.Tensor, of_each: int) -> ClassPrototypes:
    """Return the prototypes of the classes that are scored, those of the rest as of one class.

    vectors: (m, d) of the masks.
    of_each: prototypes of each class at most.
    """
    if parts.settings.retrieval.min_trust:
        todo = "set retrieval.min_trust = 0 and quarantine what is not to be trusted, or drop the classifier"
        got = f"retrieval.min_trust = {parts.settings.retrieval.min_trust:g}"
        raise ConfigError("prototypes of every visible segment, whatever the trust in its label", got, todo)
    classes, space = (*prepared.store_classes, *prepared.rest), parts.keys.component.space
    found = require_store(parts).prototypes(vectors, classes, of_each, space)
    return replace(found, classes=found.classes.clamp(max=len(prepared.scored) - 1))


def as_one_class(near: Neighbours, first: int, count: int, per_class: bool = False) -> Neighbours:
    """Return the neighbours with `count` classes from `first` on as one, the rest; those behind them move up.

    per_class: whether the neighbours are the nearest of each class; then the rest keeps none of its own apart.

    Worked example: of classes 0 to 5 the two from 2 on become 2, 4 and 5 become 3 and 4; `of_rest` is 0 of what was 2,
    1 of what was 3. A negative example of one of them is left out, for it says nothing against the others.
    """
    last, supported, negatives = first + count - 1, near.supported, near.negatives
    rest = supported[first : last + 1].any()[None]  # (1,)
    if negatives is not None:
        kept = (negatives.classes < first) | (negatives.classes > last)  # (m,)
        moved = torch.where(negatives.classes > last, negatives.classes - count + 1, negatives.classes)
        negatives = Negatives(negatives.ids[kept.cpu().numpy()], moved[kept], negatives.distances[:, kept])
        negatives = negatives if len(negatives.ids) else None
    classes = torch.where(near.classes > last, near.classes - count + 1, near.classes.clamp(max=first))  # (n, k)
    own = torch.where((near.classes >= first) & (near.classes <= last), near.classes - first, -1)  # (n, k)
    supported = torch.cat([supported[:first], rest, supported[last + 1 :]])
    of_rest = None if per_class else own
    return replace(near, classes=classes, supported=supported, negatives=negatives, of_rest=of_rest)


def asked_alone(near: Neighbours, asked: int) -> Neighbours:
    """Return the neighbours with one index, `asked`, for all classes that were not asked.

    asked: c, the classes of the vocabulary, which come first.
    """
    negatives = near.negatives
    if negatives is not None:
        of_asked = negatives.classes < asked  # (m,)
        ids, distances = negatives.ids[of_asked.cpu().numpy()], negatives.distances[:, of_asked]
        negatives = replace(negatives, ids=ids, classes=negatives.classes[of_asked], distances=distances)
        negatives = negatives if len(ids) else None
    return replace(near, classes=near.classes.clamp(max=asked), supported=near.supported[:asked], negatives=negatives)


def _spread(values: torch.Tensor, rows: torch.Tensor, name: str, count: int) -> torch.Tensor:
    """Put the values of the masks that were searched for in their rows of (n, m)."""
    spread = values.new_full((count, values.shape[1]), NOTHING[name])
    spread[rows] = values
    return spread


def parted(near: Neighbours, k: int, per_class: bool) -> tuple[Neighbours, Neighbours]:
    """Return the neighbours that vote, and those behind them (`algorithms.voting_places`).

    near: of each mask, nearest first.
    """
    classes = near.classes.cpu().numpy()
    voting = voting_places(near.ids, classes, k, per_class)
    return chosen_places(near, voting), chosen_places(near, ~voting & (classes >= 0))


def chosen_places(near: Neighbours, chosen: NDArray[np.bool_]) -> Neighbours:
    """Return the neighbours at some places, in their order, without columns that no mask needs.

    chosen: (n, m) bool.
    """
    width = int(chosen.sum(axis=1).max(initial=0))
    order = np.argsort(~chosen, axis=1, kind="stable")[:, :width]  # (n, w) the chosen places, then others
    is_chosen = torch.from_numpy(np.take_along_axis(chosen, order, axis=1)).to(near.classes.device)
    at = torch.from_numpy(order).to(near.classes.device)
    ids = np.take_along_axis(near.ids, order, axis=1)
    ids[~is_chosen.cpu().numpy()] = None
    rows = {name: values.gather(1, at) for name, values in near.places.items()}
    kept: dict[str, Any] = {
        name: torch.where(is_chosen, row, torch.full_like(row, NOTHING[name])) for name, row in rows.items()
    }
    return replace(near, ids=ids, **kept)


def side_by_side(first: Neighbours, second: Neighbours) -> Neighbours:
    """Return the neighbours of both for each mask, nearest first, the first's before the second's where equally far."""
    ids = np.concatenate([first.ids, second.ids], axis=1)
    rows = {name: torch.cat([values, second.places[name]], dim=1) for name, values in first.places.items()}
    order = torch.argsort(rows["distances"], dim=1, stable=True)
    ids = np.take_along_axis(ids, order.cpu().numpy(), axis=1)
    ordered: dict[str, Any] = {name: row.gather(1, order) for name, row in rows.items()}
    return replace(first, ids=ids, **ordered)


def of_masks(near: Neighbours, masks: torch.Tensor) -> Neighbours:
    """Return the neighbours of some masks. masks: (m,) int64."""
    at = masks.to(near.classes.device)
    negatives = near.negatives
    if negatives is not None:
        negatives = replace(negatives, distances=negatives.distances[masks.to(negatives.distances.device)])
    rows: dict[str, Any] = {name: values[at] for name, values in near.places.items()}
    prototypes = near.prototypes
    if prototypes is not None:
        prototypes = replace(prototypes, distances=prototypes.distances[masks.to(prototypes.distances.device)])
    picked = near.ids[masks.cpu().numpy()]
    return replace(near, ids=picked, negatives=negatives, prototypes=prototypes, **rows)
