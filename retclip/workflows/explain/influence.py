"""Influence: which kept answers a stored segment, or a run's segments, took part in, and which they decided.

Read from the traces that `segment --trace` keeps: it took part where its share of some mask's vote is above 0, or
where, as a negative example, it kept a neighbour from voting that would vote without it; and it decided where the mask
would have another label without it (`what_if`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from retclip.algorithms.negative_examples import barred_voters
from retclip.evidence import Evidence
from retclip.store.feature_store import FeatureStore
from retclip.types import ClassScores, Neighbours, PanopticSegmentation
from retclip.workflows.explain.evidence_file import evidence_bytes, load_evidence
from retclip.workflows.explain.replay import Voters, label_of, replayed, without_negatives
from retclip.workflows.explain.what_if import Gone, decide_without, of_runs, require_runs, segments_of


@dataclass(frozen=True)
class InfluencedSegment:
    """A segment of a kept answer in whose vote the stored ones took part, or from whose vote they kept others.

    trace: its number; at: when it was kept.
    segment: its id in the label map.
    pixels: of it; changed_pixels: those whose mask would have another label without the stored segments.
    label_without: of most of the changed pixels; None = no label, or none changed.
    exact: whether the evidence says enough for that (`WhatIf.exact`).
    """

    trace: int
    at: datetime
    image_uri: str
    segment: int
    class_name: str
    pixels: int
    changed_pixels: int
    label_without: str | None
    exact: bool


@dataclass(frozen=True)
class Influence:
    """What stored segments did in the kept answers.

    traces: how many answers the store keeps; photos: of how many of them they took part.
    segments: of these answers, those in whose vote they took part, or from which they kept others.
    """

    traces: int
    photos: int
    segments: tuple[InfluencedSegment, ...]

    @property
    def changed(self) -> tuple[InfluencedSegment, ...]:
        """Those that would be another class, all or in part."""
        return tuple(segment for segment in self.segments if segment.changed_pixels)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "changed": len(self.changed)}


def keep_trace(store: FeatureStore, result: PanopticSegmentation, evidence: Evidence, days: float) -> int:
    """Keep the evidence of an answer in the store; returns the number of the trace. days: until it is forgotten."""
    photo = evidence.image_sha256, evidence.image_uri
    return store.traces.keep(photo, evidence_bytes(result, evidence), sorted(voters_of(evidence)), days)


def voters_of(evidence: Evidence) -> set[UUID]:
    """Return the stored segments that gave anything to the vote of any mask, or of its leaves."""
    parts = evidence.inputs.parts if evidence.inputs else None
    voters = _with_shares(evidence.neighbours, evidence.scores)
    return voters | (_with_shares(parts.neighbours, parts.scores) if parts else set())


def influence(
    store: FeatureStore, voters: Callable[[Evidence], Voters], segment: UUID | None = None, run: int | None = None
) -> Influence:
    """Return what a stored segment, or those of a run, did in the answers that the store keeps.

    voters: returns the classifiers that vote with neighbours, as an answer's evidence says that they were set.
    Raises DataError for a run that the store does not have, and for evidence that another version of a classifier made.
    """
    ids, runs = [segment] if segment else [], [run] if run is not None else []
    require_runs(store, runs)
    voted, examples = set(store.traces.with_voters(ids, runs)), _examples(store, ids, runs)
    segments, photos = list[InfluencedSegment](), set[str]()
    for number in store.traces.numbers() if examples else sorted(voted):
        trace = store.traces.read(number)
        if trace is None:  # it expired meanwhile
            continue
        result, evidence = load_evidence(trace.evidence)
        if number not in voted and not _beside_votes(examples, evidence):
            continue
        stored = of_runs(store, segments_of(evidence), runs) if runs else set[UUID]()
        gone = Gone(frozenset(ids) | stored, frozenset(), tuple(runs))
        found = _influenced(store, result, evidence, voters(evidence), gone)
        photos |= {trace.image_sha256} if found or number in voted else set()
        segments += [InfluencedSegment(number, trace.at, trace.image_uri, *figures) for figures in found]
    return Influence(store.traces.count(), len(photos), tuple(segments))


def _examples(store: FeatureStore, ids: Sequence[UUID], runs: Sequence[int]) -> set[UUID]:
    """Return which of these segments, or of those of the runs, are negative examples: in whatever answer they may have
    kept others from voting."""
    rejected = {segment for of_class in store.segments.rejected().values() for segment in of_class}
    return rejected & set(ids) or (of_runs(store, rejected, runs) if runs else set())


def _beside_votes(examples: Collection[UUID], evidence: Evidence) -> bool:
    """Tell whether any of these negative examples stood beside the neighbours of an answer in which these voted."""
    near, votes = evidence.neighbours, any(source.shares is not None for source in evidence.scores)
    if near is None or near.negatives is None or evidence.inputs is None or not votes:
        return False
    return any(segment in examples for segment in near.negatives.ids)


def _influenced(
    store: FeatureStore, result: PanopticSegmentation, evidence: Evidence, voters: Voters, gone: Gone
) -> list[tuple[int, str, int, int, str | None, bool]]:
    """Return the fields of InfluencedSegment from `segment` on, of each segment of the answer."""
    origins = result.mask_map
    if origins is None:
        of_segment = {info.id: info.proposal for info in result.segments}
        largest = max(of_segment, default=0)
        table = np.array([of_segment.get(number, -1) for number in range(largest + 1)])
        origins = table[result.label_map]
    masks = sorted({int(mask) for mask in np.unique(origins)} - {-1})
    if not masks:
        return []
    rows, then = replayed(evidence, voters, masks)
    taking_part = _rows_with(then.neighbours, then.scores, gone) | _rows_kept_from(then.neighbours, gone)
    voted = {masks[int(owner)] for owner in rows.owner[taking_part].tolist()}
    decided, _, reasons = decide_without(store, evidence, rows, voters, gone)
    was, now = (label_of(evidence, either.combined, either.void).tolist() for either in (then, decided))
    turned = {mask: label for mask, label, earlier in zip(masks, now, was, strict=True) if label != earlier}
    return [
        _figures(result, evidence, info.id, origins, turned, not reasons)
        for info in result.segments
        if voted & {int(mask) for mask in np.unique(origins[result.label_map == info.id])}
    ]


def _figures(
    result: PanopticSegmentation, evidence: Evidence, number: int, origins: np.ndarray[Any, Any],
    turned: dict[int, int], exact: bool,
) -> tuple[int, str, int, int, str | None, bool]:  # fmt: skip
    info = next(info for info in result.segments if info.id == number)
    masks, areas = np.unique(origins[result.label_map == number], return_counts=True)
    changed = Counter[int]()
    for mask, area in zip(masks.tolist(), areas.tolist(), strict=True):
        if mask in turned:
            changed[turned[mask]] += area
    label = changed.most_common(1)[0][0] if changed else -1
    name = evidence.vocabulary.names[label] if label >= 0 else None
    return info.id, info.class_name, int(areas.sum()), sum(changed.values()), name, exact


def _rows_with(near: Neighbours, scores: tuple[ClassScores, ...], gone: Gone) -> np.ndarray[Any, Any]:
    """Return (r,) bool, the rows to whose vote something that is gone gave a share."""
    leaving = np.array([[segment in gone.ids for segment in row] for row in near.ids], dtype=bool)
    voted = np.zeros(near.ids.shape, dtype=bool)
    for source in scores:
        if source.shares is not None:
            voted |= source.shares.cpu().numpy() > 0
    return np.asarray((leaving.reshape(voted.shape) & voted).any(axis=1))


def _rows_kept_from(near: Neighbours, gone: Gone) -> np.ndarray[Any, Any]:
    """Return (r,) bool, the rows in which negative examples that are gone kept others from voting."""
    freed = barred_voters(near) & ~barred_voters(without_negatives(near, gone.ids))  # (r, k)
    others = np.array([[segment not in gone.ids for segment in row] for row in near.ids], dtype=bool)
    return np.asarray((freed.cpu().numpy() & others.reshape(freed.shape)).any(axis=1))


def _with_shares(near: Neighbours | None, scores: tuple[ClassScores, ...]) -> set[UUID]:
    if near is None:
        return set()
    shares = [source.shares.cpu().numpy() > 0 for source in scores if source.shares is not None]
    return {segment for voted in shares for segment in near.ids[voted] if segment is not None}
