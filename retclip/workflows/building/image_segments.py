"""The labelled segments of one image with their vectors, as a build stores them (paper, section 2.1).

dense features -> proposals for the classes present -> mask-pooled vectors -> numbered slots with run-length masks
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.errors import ContractBroken, DataError
from retclip.names import name_key
from retclip.passed_over import CROWDS, TOO_MANY, Tally
from retclip.plugin.contracts import ANNOTATION, CREDIT, PERSON, REGIONS, SAID_BY, WHOLE
from retclip.store.records import NewSegment, UnitResult
from retclip.store.states import LabelSource
from retclip.types import DenseFeatures, Image, MaskProposals, SegmentFeatures
from retclip.workflows.building.label_assignment import LabelAssignment
from retclip.workflows.building.majority_naming import annotated_masks, majority_named
from retclip.workflows.building.units import Unit
from retclip.workflows.segment.describe_image import key_features, keys_of, proposals_of
from retclip.workflows.segment.masks import best_first, painted
from retclip.workflows.segment.parts import Models

if TYPE_CHECKING:
    from torch import Tensor

UNPROPOSED = "annotated segments that the proposer left out"


def image_segments(models: Models, unit: Unit, image: Image, naming: LabelAssignment) -> tuple[UnitResult, int]:
    """Return one image's segments of the unit's classes with their vectors, and how many masks were dropped."""
    class_names, tally = unit.class_names, Tally(image.passed_over)
    if not class_names:
        nothing = np.zeros((0, models.keys.component.space.dim), np.float32)
        return _result(models, unit, image, [], nothing, tally), 0
    ((features, proposals),) = proposals_of(models, [image], naming.vocabulary(class_names))
    if len(proposals) and proposals.prompts is None and image.truth is None and not naming.needed:
        naming.needed = True  # from now on it is asked as one that takes no prompts
        ((features, proposals),) = proposals_of(models, [image], naming.vocabulary(class_names))
    _count_annotated(models, class_names, image, len(proposals), tally)
    labelled, described = _labelled(models, unit, image, proposals, features, naming, tally)
    (key_grid,) = key_features(models, [image], [features])
    keys = [keys_of(models, image, key_grid, part, described) for part in labelled.parts]
    vectors = torch.cat([part.vectors for part in keys])  # (n, d)
    segments, indices = _segments(labelled, torch.cat([part.covered for part in keys]).tolist())
    result = _result(models, unit, image, segments, vectors[indices].float().cpu().numpy(), tally)
    return result, len(vectors) - len(indices)


@dataclass(frozen=True, eq=False)
class _Labelled:
    """Masks with a class each.

    parts: the masks, best first; where the annotation's own are stored beside them, those are a part of their own.
    said_by: the source of the labels.
    confidence: of each label; empty where the proposer labels its masks, whose objectness counts then.
    """

    parts: tuple[MaskProposals, ...]
    said_by: LabelSource
    confidence: Sequence[float] = ()


def _labelled(
    models: Models, unit: Unit, image: Image, proposals: MaskProposals, features: DenseFeatures,
    naming: LabelAssignment, tally: Tally,
) -> tuple[_Labelled, SegmentFeatures | None]:  # fmt: skip
    """Return the masks of the unit's classes, named by the proposer, by the annotation, or by what they look like; and
    their vectors where they were compared.
    """
    build, class_names = models.settings.build, unit.class_names
    if proposals.prompts is None and image.truth is not None:
        labelled, share = majority_named(
            proposals, image.truth, class_names, build.majority_share, build.max_segments, tally
        )
        if not build.annotated_masks:
            return _Labelled((labelled,), LabelSource.ANNOTATION, share), None
        own = annotated_masks(labelled, image.truth, class_names)
        return _Labelled((labelled, own), LabelSource.ANNOTATION, [*share, *[1.0] * len(own)]), None
    if proposals.prompts is None and naming.needed:
        labelled, described, sure = naming.assigned(image, proposals, features, class_names)
        return _Labelled((labelled,), LabelSource.ASSIGNED, sure), described
    labelled = best_first(_named(proposals, class_names, models.proposer.name), build.max_segments)
    tally.skip(TOO_MANY, len(proposals) - len(labelled))
    return _Labelled((labelled,), _said_by(models, unit)), None


def _count_annotated(models: Models, class_names: Sequence[str], image: Image, proposed: int, tally: Tally) -> None:
    """Count an annotation's crowd regions, which are no single objects, and the segments that its proposer left out."""
    if ANNOTATION in models.proposer.provides and image.truth is not None:
        segments = [segment for segment in image.truth.segments if segment.class_name in class_names]
        crowds = sum(segment.is_crowd for segment in segments)
        tally.skip(CROWDS, crowds)
        tally.skip(UNPROPOSED, max(0, len(segments) - crowds - proposed))


def _result(
    models: Models, unit: Unit, image: Image, segments: Sequence[NewSegment], vectors: NDArray[np.float32], tally: Tally
) -> UnitResult:
    return UnitResult(
        key=unit.key, content=unit.content, external_id=unit.record.external_id, uri=unit.record.uri,
        image_sha256=image.sha256, size=image.size, prompts=unit.class_names, absent=unit.absent,
        segments=tuple(segments), vectors=vectors.reshape(len(segments), models.keys.component.space.dim),
        passed_over=tally.total, credit=unit.record.extra.get(CREDIT),
    )  # fmt: skip


def _named(proposals: MaskProposals, class_names: Sequence[str], component: str) -> MaskProposals:
    """Return the proposals, all with a class that is built; raise DataError or ContractBroken for any other."""
    prompts = proposals.prompts or (None,) * len(proposals)
    if any(prompt is None for prompt in prompts):
        raise DataError(
            "a proposer that says which class each mask shows",
            f"masks without a name from {component}",
            "build with annotated masks (--proposer reference.ground_truth), from annotated photos, or with a prompted "
            "proposer; a class from photos of it: --proposer reference.whole_image",
        )
    unknown = sorted({str(prompt) for prompt in prompts} - set(class_names))
    if unknown:
        todo = f"report it to the plugin's author: retclip plugins check {component}"
        raise ContractBroken(f"prompts from the vocabulary from {component}", f"{unknown[0]!r}", todo)
    return proposals


def _segments(labelled: _Labelled, covered: Sequence[bool]) -> tuple[list[NewSegment], list[int]]:
    """Return the segments to store, numbered per class by falling objectness, and the indices of their proposals."""
    parts, sure, said_by = labelled.parts, labelled.confidence, labelled.said_by
    objectness = np.concatenate([_within(part.objectness) for part in parts])  # (n,)
    masks = [mask for part in parts for mask in painted(part)]
    names = [str(name) for part in parts for name in part.prompts or ("",) * len(part)]
    behind = [scores for part in parts for scores in _behind(part)]
    ordinals: dict[str, int] = {}
    segments, indices = [], []
    for n in np.argsort(-objectness, kind="stable").tolist():
        if not covered[n] or masks[n].area == 0:
            continue
        ordinal = ordinals[name_key(names[n])] = ordinals.get(name_key(names[n]), -1) + 1
        score = float(objectness[n])
        confidence = min(1.0, sure[n]) if sure else score
        area, box, counts = masks[n]
        segments.append(NewSegment(names[n], ordinal, box, area, score, counts, said_by, confidence, *behind[n]))
        indices.append(n)
    return segments, indices


def _said_by(models: Models, unit: Unit) -> LabelSource:
    """Return the source of a proposer's own labels: annotation, person or detector."""
    provides = models.proposer.provides
    if provides & {ANNOTATION, REGIONS}:  # who marked an object said what it is
        return LabelSource.ANNOTATION
    if WHOLE in provides:
        return LabelSource.PERSON if unit.record.extra.get(SAID_BY) == PERSON else LabelSource.ANNOTATION
    return LabelSource.DETECTOR


def _behind(proposals: MaskProposals) -> list[tuple[float | None, float | None]]:
    """Return the detector's and the mask model's score of each mask, None where the proposer has no such model."""
    nobody = [None] * len(proposals)
    several = (
        _within(scores).tolist() if scores is not None else nobody
        for scores in (proposals.detector_scores, proposals.mask_scores)
    )
    return list(zip(*several, strict=True))


def _within(scores: Tensor) -> NDArray[np.float32]:
    """Return (n,) clipped to [0, 1]: rounding may exceed it, which SQL refuses."""
    numbers: NDArray[np.float32] = scores.float().cpu().numpy().clip(0.0, 1.0)
    return numbers
