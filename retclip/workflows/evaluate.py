"""Evaluate: segment every image of an annotated source; count PQ, SQ, RQ as panopticapi does, and mIoU (method.md 5).

The panoptic map gives PQ. mIoU is counted on the semantic map (class scores times soft masks, no threshold), as FC-CLIP
reports it. `segment_accuracy` is the share of annotated segments most of whose labelled pixels got the right class:
with ground-truth masks as proposals, the top-1 accuracy of the classification alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.mean_iou import ConfusionMatrix
from retclip.algorithms.panoptic_quality import ClassQuality, PanopticQuality
from retclip.algorithms.semantic_map import semantic_map
from retclip.errors import DataError
from retclip.names import name_key
from retclip.plugin.contracts import ImageSource
from retclip.store.ledger import Failure
from retclip.types import Image, PanopticSegmentation, Vocabulary
from retclip.workflows.decode_ahead import decoded
from retclip.workflows.describe_image import Description
from retclip.workflows.in_groups import in_groups
from retclip.workflows.parts import Parts
from retclip.workflows.segment_image import decide, describe_images, merge, provenance
from retclip.workflows.vocabulary import PreparedVocabulary, missing, prepare


@dataclass(frozen=True)
class Evaluation:
    """Figures in percent. per_class: class -> pq, sq, rq, iou, tp, fp, fn; None where a class does not occur."""

    images: int
    pq: float
    sq: float
    rq: float
    pq_things: float | None
    pq_stuff: float | None
    miou: float
    pixel_accuracy: float
    segment_accuracy: float
    per_class: Mapping[str, Mapping[str, float | int | None]]
    missing: tuple[str, ...]  # classes of the source without a class in the store
    failures: tuple[Failure, ...]
    settings: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


class _Counters:
    """What is counted over all images."""

    def __init__(self, names: tuple[str, ...], is_thing: tuple[bool, ...]) -> None:
        self.names = names
        self.index = {name_key(name): number for number, name in enumerate(names)}
        self.quality = PanopticQuality(dict(zip(names, is_thing, strict=True)))
        self.confusion = ConfusionMatrix(len(names))
        self.right = self.judged = self.images = 0

    def add(self, predicted: PanopticSegmentation, semantic: NDArray[np.int64], truth: PanopticSegmentation) -> None:
        self.quality.add(predicted, truth)
        classes = self._class_map(truth)
        self.confusion.add(semantic, classes)
        self._judge(semantic, truth)
        self.images += 1

    def _class_map(self, truth: PanopticSegmentation) -> NDArray[np.int64]:
        """(H, W) class index of every annotated pixel, -1 for void."""
        ids = np.array([0, *(one.id for one in truth.segments)])
        values = np.array([-1, *(self.index.get(name_key(one.class_name), -1) for one in truth.segments)])
        order = np.argsort(ids)
        found: NDArray[np.int64] = values[order][np.searchsorted(ids[order], truth.label_map)]
        return found

    def _judge(self, semantic: NDArray[np.int64], truth: PanopticSegmentation) -> None:
        for one in truth.segments:
            index = self.index.get(name_key(one.class_name))
            if index is None or one.is_crowd:
                continue
            votes = np.bincount(semantic[truth.label_map == one.id] + 1, minlength=len(self.names) + 1)
            self.right += int(votes.argmax() == index + 1)
            self.judged += 1


def evaluate(
    parts: Parts, source: ImageSource, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Evaluation:
    """Segment every image with the source's own classes and compare with its annotation.

    Raises DataError where the source has no classes or no image could be used; single bad images are failures.
    """
    known = source.classes()
    if not known:
        raise DataError("an annotated source", f"{source.name} without classes", "use coco-panoptic: or label-maps:")
    names, things = tuple(one.name for one in known), tuple(one.is_thing is not False for one in known)
    prepared = prepare(parts, Vocabulary(names, things, tuple(one.synonyms for one in known)))
    counters, failures = _Counters(names, things), []

    def work(images: Sequence[Image]) -> list[tuple[Image, Description]]:
        for image in images:
            if image.truth is None:
                raise DataError(f"an annotation for {image.uri}", "none", "evaluate on an annotated source")
        return list(zip(images, describe_images(parts, images, prepared), strict=True))

    for record, answer in in_groups(decoded(source.images()), parts.settings.device.batch_size, work):
        try:
            if isinstance(answer, DataError):
                raise answer
            _count(parts, prepared, counters, *answer)
        except DataError as error:
            failures.append(Failure(record.external_id, record.uri, str(error)))
        on_progress(counters.images + len(failures), len(source))
    if not counters.images:
        got = (
            f"{len(failures)} that failed, first {failures[0].external_id}: {failures[0].reason}"
            if failures
            else "none"
        )
        raise DataError(f"at least one annotated image in {source.name}", got, "check path and split, repair the files")
    return _summary(counters, prepared, tuple(failures), parts)


def _count(
    parts: Parts, prepared: PreparedVocabulary, counters: _Counters, image: Image, described: Description
) -> None:
    proposals, evidence = described.proposals, decide(parts, image, prepared, described)
    combined = evidence.combined.to(proposals.masks.device)
    semantic = semantic_map(proposals.finest, combined, image.size).cpu().numpy()
    counters.add(merge(parts, evidence, proposals), semantic, cast("PanopticSegmentation", image.truth))


def _summary(
    counters: _Counters, prepared: PreparedVocabulary, failures: tuple[Failure, ...], parts: Parts
) -> Evaluation:
    iou, quality = counters.confusion.result(), counters.quality
    everything, things, stuff = quality.mean(), quality.mean(True), quality.mean(False)
    return Evaluation(
        images=counters.images,
        pq=100 * everything.pq,
        sq=100 * everything.sq,
        rq=100 * everything.rq,
        pq_things=100 * things.pq if things.n else None,
        pq_stuff=100 * stuff.pq if stuff.n else None,
        miou=100 * iou.miou,
        pixel_accuracy=100 * iou.accuracy,
        segment_accuracy=100 * counters.right / max(1, counters.judged),
        per_class={
            name: _class_row(quality.per_class[name], value)
            for name, value in zip(counters.names, iou.iou, strict=True)
        },
        missing=tuple(match.name for match in missing(prepared)),
        failures=failures,
        settings=provenance(parts),
    )


def _class_row(quality: ClassQuality, iou: float | None) -> dict[str, float | int | None]:
    counts = {"tp": quality.tp, "fp": quality.fp, "fn": quality.fn}
    shares = {key: 100 * getattr(quality, key) if quality.counted else None for key in ("pq", "sq", "rq")}
    return {**shares, "iou": None if iou is None else 100 * iou, **counts}
