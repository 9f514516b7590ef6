"""The answer as it would be without some stored segments, from the evidence alone.

The neighbours that are left out go, those kept behind them move up, the vote and the ensemble are made again. What it
claims: the label and the scores of the mask, as segmenting against a store without those segments would give them.
It does not claim which mask a pixel would belong to where masks overlap, nor another match of a name; of a tree of
masks the cut stays. `exact` is False, with reasons, where the evidence does not say enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.errors import DataError
from retclip.evidence import Evidence
from retclip.store.feature_store import FeatureStore
from retclip.store.records import SegmentFilter
from retclip.types import Neighbours
from retclip.workflows.explain.replay import (
    Decision,
    Rows,
    Voters,
    decide_again,
    label_of,
    required_inputs,
    void_uncertain,
    without_negatives,
)

SHOWN = 5  # classes of an answer


@dataclass(frozen=True)
class Without:
    """The stored segments that an answer is asked without.

    segments: ids, whole or their first digits; runs: every segment that these runs stored; classes: every segment that
    counted for these names.
    """

    segments: tuple[UUID | str, ...] = ()
    runs: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.segments or self.runs or self.classes)


@dataclass(frozen=True)
class WhatIf:
    """The answer for one mask without some stored segments.

    label: class name, None = the mask would be no segment.
    label_then: what it was with them.
    left_out: how many of the mask's own voters go; moved_up: how many take their places.
    combined: class name -> score after the ensemble, best first, of the best classes and the earlier one.
    votes: class name -> retrieval score of the mask, best first.
    lost: the classes of which no stored segment is left.
    exact: whether segmenting against a store without them gives the same; else `reasons` say what is not known.
    """

    label: str | None
    label_then: str | None
    left_out: int
    moved_up: int
    combined: dict[str, float]
    votes: dict[str, float]
    lost: tuple[str, ...] = ()
    exact: bool = True
    reasons: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether the label is another one."""
        return self.label != self.label_then

    def verdict(self) -> str:
        """Return the answer in one sentence."""
        then, now = self.label_then or "no segment", self.label or "no segment"
        answer = f"without them {now}, instead of {then}" if self.changed else f"without them still {now}"
        moved = f"{self.left_out} of its neighbours go, {self.moved_up} further ones vote in their places"
        return f"{answer}: {moved}"


@dataclass(frozen=True)
class Gone:
    """The segments and classes that are left out, looked up. runs: of which every segment goes."""

    ids: frozenset[UUID]
    classes: frozenset[int]
    runs: tuple[int, ...] = ()


def what_if(
    store: FeatureStore | None, evidence: Evidence, mask: int, rows: Rows, voters: Voters, without: Without
) -> WhatIf:
    """Return the answer for a mask without some stored segments.

    rows: what decides it (`replayed`).
    voters: the classifiers that vote with neighbours, as they were set then.
    Raises DataError for segments, runs or classes that are not known.
    """
    gone = looked_up(store, evidence, without)
    decided, supported, reasons = decide_without(store, evidence, rows, voters, gone)
    names = evidence.vocabulary.names
    now = int(label_of(evidence, decided.combined, decided.void)[0])
    then = int(label_of(evidence, evidence.combined[[mask]], evidence.void[[mask]])[0])
    was = evidence.neighbours.supported if evidence.neighbours else supported
    return WhatIf(
        names[now] if now >= 0 else None, names[then] if then >= 0 else None, *_moves(evidence, decided, mask),
        best_scores(names, decided.combined[0], then), _votes(evidence, decided, voters),
        tuple(names[c] for c in (was & ~supported).nonzero()[:, 0].tolist()), not reasons, reasons,
    )  # fmt: skip


def decide_without(
    store: FeatureStore | None, evidence: Evidence, rows: Rows, voters: Voters, gone: Gone
) -> tuple[Decision, Tensor, tuple[str, ...]]:
    """Return the decision of masks without what is gone, (c,) bool the classes that still have a segment, and what is
    not known."""
    dropped = places_of(rows, gone)
    supported, unsure = still_supported(store, evidence, gone)
    left = replace(rows, every=without_negatives(rows.every, gone.ids))
    decided = decide_again(evidence, left, voters, dropped, supported)
    reasons = (*_short_rows(evidence, rows, dropped), *unsure, *_void_reason(evidence, supported))
    return decided, supported, reasons


def looked_up(store: FeatureStore | None, evidence: Evidence, without: Without) -> Gone:
    """Return what is to be left out. Raises DataError for segments, runs or classes that are not known."""
    known = segments_of(evidence)
    ids = {segment for text in without.segments for segment in _matching(store, known, text)}
    if without.runs:
        if store is None:
            raise DataError("a store that knows which run stored a segment", "none", "open it: --store")
        require_runs(store, without.runs)
        ids |= of_runs(store, known, without.runs)
    return Gone(frozenset(ids), _classes_named(evidence, without.classes), without.runs)


def require_runs(store: FeatureStore, runs: Collection[int]) -> None:
    """Raise DataError for a run that the store does not have."""
    store.segments.count(SegmentFilter(runs=tuple(runs), states=()))


def of_runs(store: FeatureStore, known: Collection[UUID], runs: Collection[int]) -> set[UUID]:
    """Return those of the segments that the runs stored."""
    return {segment for segment, stored in store.segments.get(sorted(known)).items() if stored.run in runs}


def segments_of(evidence: Evidence) -> set[UUID]:
    """Return every stored segment that the evidence names: voters, those behind them, and those of a tree's parts."""
    known = {segment for rows in _near(evidence) for segment in rows.ids.ravel() if segment is not None}
    negatives = evidence.neighbours.negatives if evidence.neighbours else None
    return known | (set(negatives.ids) if negatives else set())


def _near(evidence: Evidence) -> list[Neighbours]:
    """Return the neighbours of masks and of a tree's parts, those that voted and those behind them."""
    inputs = required_inputs(evidence)
    parts = [inputs.parts.neighbours, inputs.parts.inputs.beyond] if inputs.parts else []
    return [near for near in (evidence.neighbours, inputs.beyond, *parts) if near is not None]


def places_of(rows: Rows, gone: Gone) -> NDArray[np.bool_]:
    """Return (r, m) bool, which places of `rows.every` hold what is left out."""
    classes = rows.every.classes.cpu().numpy()
    by_class = np.isin(classes, sorted(gone.classes))
    by_id = np.array([[segment in gone.ids for segment in row] for row in rows.every.ids], dtype=bool)
    answer: NDArray[np.bool_] = by_class | by_id.reshape(by_class.shape)
    return answer


def still_supported(store: FeatureStore | None, evidence: Evidence, gone: Gone) -> tuple[Tensor, list[str]]:
    """Return (c,) bool, the classes that still have a stored segment, and what is not known of that.

    A store at hand is asked, as it is now; else a class that has another neighbour somewhere in the photo has one.
    """
    if evidence.neighbours is None:
        return torch.zeros(len(evidence.vocabulary), dtype=torch.bool), []
    supported, names = evidence.neighbours.supported.clone().cpu(), evidence.vocabulary.names
    for index in gone.classes:
        supported[index] = False
    left = _left(evidence, gone)
    suspected = [c for c in supported.nonzero()[:, 0].tolist() if left.get(c) == 0]
    if not suspected:
        return supported, []
    if store is None:
        shown = ", ".join(names[c] for c in suspected[:SHOWN])
        return supported, [f"whether the store would have another segment of {shown}: open it"]
    counts = store.segments.visible_by_class(without=sorted(gone.ids), without_runs=gone.runs)
    for c in suspected:
        supported[c] = any(counts.get(name, 0) > 0 for name in _stored_names(evidence, c))
    return supported, []


def _stored_names(evidence: Evidence, index: int) -> Sequence[str]:
    """Return the names of the stored classes that a class of the vocabulary stands for; of the rest there are many."""
    words = evidence.vocabulary
    if index >= words.asked:
        return words.synonyms[index]
    name = words.names[index]
    return [next((match.store_class for match in evidence.matches if match.name == name), None) or name]


def _left(evidence: Evidence, gone: Gone) -> dict[int, int]:
    """Return of each class that loses a neighbour how many others of it the evidence names."""
    members: dict[int, set[UUID]] = {}
    for rows in _near(evidence):
        for segment, category in zip(rows.ids.ravel(), rows.classes.cpu().numpy().ravel().tolist(), strict=True):
            if segment is not None:
                members.setdefault(category, set()).add(segment)
    return {category: len(ids - gone.ids) for category, ids in members.items() if ids & gone.ids}


def _matching(store: FeatureStore | None, known: Collection[UUID], text: UUID | str) -> list[UUID]:
    """Return the segment with that id, or the only one among those known whose id begins so."""
    digits = str(text).strip().lower()
    try:
        whole = UUID(digits)
    except ValueError:
        matching = [segment for segment in known if digits and str(segment).startswith(digits)]
        if len(matching) == 1:
            return matching
        got = f"{text!r}, which {len(matching)} of the photo's {len(known)} neighbours begin with"
        todo = "write more of it" if matching else "copy one, or write the whole id of another segment"
        raise DataError("the id of a stored segment, or its first digits", got, f"{todo}: explain --wide") from None
    if whole not in known and store is not None and not store.segments.get([whole]):
        raise DataError("the id of a stored segment", f"{whole}, which the store does not know", "see explain --wide")
    return [whole]


def _classes_named(evidence: Evidence, names: Sequence[str]) -> frozenset[int]:
    """Return the classes of the vocabulary behind these names; those of one class of the store go together."""
    stands = {match.name: match.store_class for match in evidence.matches}
    vocabulary, answer = evidence.vocabulary.names, set[int]()
    for name in names:
        target = stands.get(name) or name
        indices = {c for c, own in enumerate(vocabulary) if own == name or (stands.get(own) or own) == target}
        if not indices:
            raise DataError("a class of this result", repr(name), f"choose one of: {', '.join(vocabulary)}")
        answer |= indices
    return frozenset(answer)


def _short_rows(evidence: Evidence, rows: Rows, dropped: NDArray[np.bool_]) -> list[str]:
    """Return the reason why neighbours are missing, where more are left out than the evidence kept further ones."""
    inputs, near = required_inputs(evidence), rows.every
    classes = near.classes.cpu().numpy()
    searched = inputs.k + inputs.further
    most = 0
    for row in range(len(classes)):
        for members in _groups(near.ids[row], classes[row], inputs.per_class):
            out = {near.ids[row, place] for place in members if dropped[row, place]}
            there = {near.ids[row, place] for place in members}
            if out and len(there) >= searched:  # fewer: the search had come to the end of what there is
                most = max(most, inputs.k - len(there - out))
    if most <= 0:
        return []
    return [f"up to {most} neighbours of a vote of {inputs.k}: evidence keeps {inputs.further} (retrieval.further)"]


def _groups(ids: NDArray[np.object_], classes: NDArray[np.int64], per_class: bool) -> list[list[int]]:
    """Return the places that compete for the same k: all, or those of each class."""
    there = [place for place in range(len(ids)) if ids[place] is not None]
    if not per_class:
        return [there]
    groups: dict[int, list[int]] = {}
    for place in there:
        groups.setdefault(int(classes[place]), []).append(place)
    return list(groups.values())


def _void_reason(evidence: Evidence, supported: Tensor) -> list[str]:
    if void_uncertain(evidence.scores, supported):
        return ["whether 'no object' of a classifier counts again that counted not, because a class is lost"]
    return []


def _moves(evidence: Evidence, decided: Decision, mask: int) -> tuple[int, int]:
    """Return how many voters of the mask itself go, and how many others vote in their places."""
    then = set(evidence.neighbours.ids[mask]) - {None} if evidence.neighbours else set()
    now = set(decided.neighbours.ids[0]) - {None}
    return len(then - now), len(now - then)


def best_scores(names: Sequence[str], row: Tensor, also: int) -> dict[str, float]:
    """Return the best scores of a mask by class, highest first, and that of one class more.

    row: (c,) scores; also: the class, -1 = none.
    """
    order = torch.argsort(row, descending=True, stable=True)[:SHOWN].tolist()
    return {names[c]: float(row[c]) for c in (order if also in order or also < 0 else [*order, also])}


def votes_of(evidence: Evidence, near: Tensor, values: Tensor) -> dict[str, float]:
    """Return the vote for each class that has a neighbour, highest first.

    near: (k,) the neighbours' classes; values: (c,) what they vote.
    """
    classes = sorted(set(near[(near >= 0) & (near < len(evidence.vocabulary))].tolist()))
    votes = {evidence.vocabulary.names[c]: float(values[c]) for c in classes}
    return dict(sorted(votes.items(), key=lambda pair: -pair[1]))


def _votes(evidence: Evidence, decided: Decision, voters: Voters) -> dict[str, float]:
    voter = next((source for source in decided.scores if source.classifier in voters), None)
    return {} if voter is None else votes_of(evidence, decided.neighbours.classes[0], voter.values[0])
