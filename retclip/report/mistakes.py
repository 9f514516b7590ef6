"""What an answer calls by a wrong name, and why: the scores of each source, and the stored segments that voted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retclip.data.images import fitted
from retclip.errors import DataError
from retclip.names import name_key
from retclip.report.crops import CropCutter
from retclip.report.html_page import jpeg_address
from retclip.workflows.explain.explain import explain

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore
    from retclip.types import SegmentInfo
    from retclip.workflows.evaluation.judged import Judged
    from retclip.workflows.explain.explanation import ExplainedNeighbour, Explanation

MOST, NEIGHBOURS, CLASSES = 2, 6, 3  # mistakes of an image, neighbours of a mistake, classes of a source
CROP = 88  # longer side of a neighbour's crop, pixels


@dataclass(frozen=True)
class VotingNeighbour:
    """A stored segment that voted.

    class_name: its label at that time.
    share: of the vote; None where it is not known.
    photo: file name.
    picture: a data address; None where the photo is gone.
    """

    class_name: str
    distance: float
    share: float | None
    photo: str
    picture: str | None


@dataclass(frozen=True)
class ScoreTerm:
    """What a source of the ensemble, or all together, says: its best classes and those in question, with scores."""

    source: str
    scores: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Mistake:
    """An annotated segment that most pixels of the answer call something else.

    called: None = nothing.
    share: of the image's pixels, percent.
    score: of the segment that covers it; None where there is none.
    verdict: what the vote alone says; empty without one.
    """

    annotated: str
    called: str | None
    share: float
    score: float | None = None
    verdict: str = ""
    terms: tuple[ScoreTerm, ...] = ()
    neighbours: tuple[VotingNeighbour, ...] = ()


def mistakes_of(judged: Judged, names: Sequence[str], store: FeatureStore | None) -> tuple[Mistake, ...]:
    """Return the largest mistakes of an image. names: of the annotation's classes."""
    truth, predicted = judged.image.truth, judged.predicted
    if truth is None:
        return ()
    known, wrong = {name_key(name) for name in names}, []
    segments = {segment.id: segment for segment in predicted.segments}
    for segment in truth.segments:
        if segment.is_crowd or name_key(segment.class_name) not in known:
            continue
        covering = np.bincount(predicted.label_map[truth.label_map == segment.id])
        answer = segments.get(int(covering.argmax())) if covering.size else None
        if answer is None or name_key(answer.class_name) != name_key(segment.class_name):
            wrong.append((segment, answer))
    wrong.sort(key=lambda pair: -pair[0].area)
    return tuple(_mistake(judged, store, segment, answer) for segment, answer in wrong[:MOST])


def _mistake(judged: Judged, store: FeatureStore | None, segment: SegmentInfo, answer: SegmentInfo | None) -> Mistake:
    share = 100 * segment.area / judged.predicted.label_map.size
    if answer is None:
        return Mistake(segment.class_name, None, share)
    if judged.evidence is None or judged.image.truth is None:
        return Mistake(segment.class_name, answer.class_name, share, answer.score)
    mask_map, mask = judged.predicted.mask_map, None
    if mask_map is not None:
        inside = (judged.image.truth.label_map == segment.id) & (judged.predicted.label_map == answer.id)
        mask = int(np.bincount(mask_map[inside]).argmax())
    try:
        why = explain(store, judged.predicted, judged.evidence, answer.id, mask)
    except DataError:  # a segment that no single mask stands for
        return Mistake(segment.class_name, answer.class_name, share, answer.score)
    terms = tuple(
        ScoreTerm(source, _terms(judged, source, scores, (answer.class_name, segment.class_name), why.mask))
        for source, scores in {**why.scores, "together": why.combined}.items()
    )
    return Mistake(
        segment.class_name, answer.class_name, share, answer.score, why.verdict() if why.votes() else "", terms,
        _neighbours(why),
    )  # fmt: skip


def _terms(
    judged: Judged, source: str, best: dict[str, float], asked: tuple[str, str], mask: int
) -> tuple[tuple[str, float], ...]:
    """Return the classes in question and the best others, highest first."""
    evidence = judged.evidence
    if evidence is None:
        return ()
    names = evidence.vocabulary.names
    of_source = [scores for scores in evidence.scores if source in (scores.classifier, str(scores.role))]
    values = of_source[0].values if of_source else evidence.combined
    row = {name: float(values[mask, names.index(name)]) for name in asked if name in names}
    row |= dict(list(best.items())[:CLASSES])
    return tuple(sorted(row.items(), key=lambda pair: -pair[1]))


def _neighbours(why: Explanation) -> tuple[VotingNeighbour, ...]:
    voted = sorted(why.neighbours, key=lambda near: (-(near.share or 0.0), near.distance))
    cutter = CropCutter()
    return tuple(
        VotingNeighbour(
            near.label, near.distance, near.share, Path(near.stored.image_uri).name if near.stored else "gone",
            _picture(cutter, near),
        )
        for near in voted[:NEIGHBOURS]
    )  # fmt: skip


def _picture(cutter: CropCutter, near: ExplainedNeighbour) -> str | None:
    stored = near.stored
    crop = None if stored is None else cutter.cut(stored.image_uri, stored.image_sha256, stored.box)
    if crop is None or not crop.size:
        return None
    return jpeg_address(fitted(crop, CROP))
