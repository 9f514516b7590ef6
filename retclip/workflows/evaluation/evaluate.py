"""Evaluate: segment every image of an annotated source and compare: PQ, SQ, RQ as panopticapi counts them, mAP as
pycocotools does, mIoU (method.md 5), for all classes and for seen and unseen ones apart.

With ground-truth masks as proposals, `segment_accuracy` is the top-1 accuracy of the classification alone, and each
mask is an instance of its best class alone. Read next: `counters.py`, what is counted, and `evaluation_figures.py`,
what is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from retclip.algorithms.semantic_map import semantic_map
from retclip.errors import DataError
from retclip.names import name_key
from retclip.passed_over import Tally, passed_over_by
from retclip.plugin.contracts import ANNOTATION, ImageSource
from retclip.store.work.ledger import Failure
from retclip.types import Image, PanopticSegmentation, Role, Vocabulary
from retclip.workflows.building.source_classes import annotated_vocabulary
from retclip.workflows.evaluation.counters import Counters, Prediction
from retclip.workflows.evaluation.evaluation_figures import Evaluation, summary
from retclip.workflows.evaluation.instances import annotated_instances, predicted_instances
from retclip.workflows.segment.decode_ahead import decoded
from retclip.workflows.segment.describe_image import Description
from retclip.workflows.segment.in_groups import in_groups
from retclip.workflows.segment.parts import Parts
from retclip.workflows.segment.segment_image import (
    classes_with_terms,
    decide,
    describe_images,
    merge,
    provenance,
    seen_classes,
)
from retclip.workflows.segment.vocabulary import PreparedVocabulary, missing, prepare

__all__ = ["Evaluation", "Judged", "evaluate"]


@dataclass(frozen=True, eq=False)
class Judged:
    """An image after it was counted. number: its place in the source, from 0, of `total`. predicted: its panoptic map.
    accuracy: the share of its labelled pixels that got the right class, [0, 1], None where none is labelled."""

    number: int
    total: int
    name: str
    image: Image
    predicted: PanopticSegmentation
    accuracy: float | None


def evaluate(
    parts: Parts,
    source: ImageSource,
    on_progress: Callable[[int, int], None] = lambda *_: None,
    seen: Vocabulary | None = None,
    on_image: Callable[[Judged], None] = lambda _: None,
    on_prepared: Callable[[PreparedVocabulary], None] = lambda _: None,
) -> Evaluation:
    """Segment every image with the source's own classes and compare with its annotation.

    seen: the classes that count as seen in the figures, and only there; None = those that an in-vocabulary classifier
    was trained on, as the ensemble decides it. on_image: told every image that was counted. on_prepared: told first how
    the classes match with the store's. Raises DataError where the source has no classes, `seen` names none of them, or
    no image could be used; single bad images are failures.
    """
    asked = annotated_vocabulary(source)
    names, things = asked.names, tuple(one is not False for one in asked.is_thing)
    prepared = prepare(parts, asked)
    on_prepared(prepared)
    groups = _seen(parts, prepared, seen)
    counters, failures, tally = Counters(names, things), list[Failure](), Tally(passed_over_by(source))

    def work(images: Sequence[Image]) -> list[tuple[Image, Description]]:
        for image in images:
            if image.truth is None:
                raise DataError(f"an annotation for {image.uri}", "none", "evaluate on an annotated source")
        return list(zip(images, describe_images(parts, images, prepared), strict=True))

    for record, answer in in_groups(decoded(source.images()), parts.settings.device.batch_size, work):
        judged, number = None, counters.images + len(failures)
        try:
            if isinstance(answer, DataError):
                raise answer
            found, accuracy = _count(parts, prepared, counters, *answer)
            judged = Judged(number, len(source), record.external_id, answer[0], found, accuracy)
        except DataError as error:
            failures.append(Failure(record.external_id, record.uri, str(error)))
        if judged is not None:
            tally.add(judged.image.passed_over)
            on_image(judged)
        on_progress(number + 1, len(source))
    if not counters.images:
        raise _nothing(source, failures)
    absent = tuple(match.name for match in missing(prepared))
    failures += (Failure(part.record, part.uri, part.reason) for part in tally.total.bad)
    figures = summary(counters, groups, absent, tuple(failures), _settings(parts, groups, seen))
    return replace(figures, passed_over=tally.total.counts, assumed=tally.total.assumed)


def _count(
    parts: Parts, prepared: PreparedVocabulary, counters: Counters, image: Image, described: Description
) -> tuple[PanopticSegmentation, float | None]:
    truth, things = cast("PanopticSegmentation", image.truth), counters.is_thing
    proposals, evidence = described.proposals, decide(parts, image, prepared, described)
    combined = evidence.combined.to(proposals.masks.device)
    annotated = annotated_instances(truth, counters.index, things)
    found = Prediction(
        merge(parts, evidence, proposals),
        semantic_map(proposals.finest, combined, image.size).cpu().numpy(),
        predicted_instances(proposals, combined, things, annotated, ANNOTATION in parts.proposer.provides),
    )
    return found.panoptic, counters.add(found, truth, annotated)


def _seen(parts: Parts, prepared: PreparedVocabulary, given: Vocabulary | None) -> tuple[bool, ...] | None:
    """Per class whether it counts as seen; None where nobody says. A class that has any term in common with the list is
    seen (method.md 1.7)."""
    if given is None:
        trained = any(one.thing.role is Role.IN_VOCABULARY for one in parts.classifiers)
        return tuple(seen_classes(parts, prepared).tolist()) if trained else None
    found = classes_with_terms(prepared.vocabulary, {name_key(term) for term in given.terms}).tolist()
    if not any(found):
        shown = ", ".join(prepared.vocabulary.names[:5])
        raise DataError(f"seen classes of the source, e.g. {shown}", ", ".join(given.names[:5]), "correct --seen")
    return tuple(found)


def _settings(parts: Parts, groups: Sequence[bool] | None, given: Vocabulary | None) -> dict[str, Any]:
    """What produced the result, and who said which classes are seen."""
    said = "the in-vocabulary classifier" if given is None else "the user"
    return {**provenance(parts), "seen": None if groups is None else {"said_by": said, "classes": sum(groups)}}


def _nothing(source: ImageSource, failures: Sequence[Failure]) -> DataError:
    got = f"{len(failures)} that failed, first {failures[0]}" if failures else "none"
    return DataError(f"at least one annotated image in {source.name}", got, "check path and split, repair the files")
