"""The figures of an evaluation, computed from the counts: for all classes, and separately for those that the
fine-tuning saw and did not see (paper, section 3; method.md 1.7 and 5).

A figure of a group is the mean over its classes, as panopticapi takes it over categories: classes without a true
positive, a false negative or a false positive are left out of PQ, SQ and RQ, those that are not annotated out of mAP
and mIoU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from retclip.algorithms.average_precision import Precision, no_precision
from retclip.algorithms.mean_iou import IoUResult
from retclip.algorithms.panoptic_quality import ClassQuality, PanopticQuality
from retclip.store.records import Failure
from retclip.workflows.evaluation.counters import Counters

CONFUSED = 30  # pairs of classes that are told
ClassRow = Mapping[str, float | int | None]


@dataclass(frozen=True)
class GroupFigures:
    """The figures of a group of classes, in percent; None where none of them occurs.

    classes: how many they are.
    """

    classes: int
    pq: float | None
    sq: float | None
    rq: float | None
    map: float | None
    miou: float | None


@dataclass(frozen=True)
class Confusion:
    """A pair of classes that the prediction confuses.

    predicted: None = void.
    pixels: pixels annotated as `annotated` and predicted as `predicted`.
    share: of all pixels annotated as `annotated`, percent.
    """

    annotated: str
    predicted: str | None
    pixels: int
    share: float


@dataclass(frozen=True)
class Evaluation:
    """Figures in percent, None for what was not counted.

    pq, sq, rq: None where no class occurs in annotation or answer.
    map, map50, map75: against the annotation's own masks; None where no thing is annotated.
    map_small, map_medium, map_large: of things below 32 x 32 pixels, below 96 x 96, and larger.
    no_map: why no AP is counted at all; empty where it is.
    miou, pixel_accuracy, segment_accuracy: None where nothing is labelled.
    groups: "seen" and "unseen"; empty where nobody says which classes the fine-tuning saw.
    per_class: class -> pq, sq, rq, ap, iou, tp, fp, fn and seen; None where a class does not occur, or nobody says.
    confusion: the most pixels first.
    """

    images: int
    pq: float | None
    sq: float | None
    rq: float | None
    pq_things: float | None
    pq_stuff: float | None
    map: float | None
    map50: float | None
    map75: float | None
    miou: float | None
    pixel_accuracy: float | None
    segment_accuracy: float | None
    groups: Mapping[str, GroupFigures]
    per_class: Mapping[str, ClassRow]
    confusion: tuple[Confusion, ...]
    missing: tuple[str, ...]  # classes of the source without a class in the store
    failures: tuple[Failure, ...]  # of images, and of rows and objects of their annotation
    settings: Mapping[str, Any]
    map_small: float | None = None
    map_medium: float | None = None
    map_large: float | None = None
    no_map: str = ""
    passed_over: Mapping[str, int] = field(default_factory=dict)  # reason -> how many
    assumed: Mapping[str, int] = field(default_factory=dict)  # reason -> how many images

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def summary(
    counters: Counters,
    seen: Sequence[bool] | None,
    missing: tuple[str, ...],
    failures: tuple[Failure, ...],
    settings: Mapping[str, Any],
) -> Evaluation:
    """Return the figures.

    seen: (c,) in the order of the counters' names, whether the fine-tuning saw a class; None = unknown.
    """
    quality, iou = counters.quality, counters.confusion.result()
    precision = no_precision(len(counters.names)) if counters.no_precision else counters.precision.result()
    everything, things, stuff = quality.mean(), quality.mean(True), quality.mean(False)
    return Evaluation(
        images=counters.images,
        pq=_percent(everything.pq),
        sq=_percent(everything.sq),
        rq=_percent(everything.rq),
        pq_things=_percent(things.pq),
        pq_stuff=_percent(stuff.pq),
        map=_percent(precision.ap),
        map50=_percent(precision.ap50),
        map75=_percent(precision.ap75),
        map_small=_percent(precision.small),
        map_medium=_percent(precision.medium),
        map_large=_percent(precision.large),
        no_map=counters.no_precision,
        miou=_percent(iou.miou),
        pixel_accuracy=_percent(iou.accuracy),
        segment_accuracy=100 * counters.right / counters.judged if counters.judged else None,
        groups=_groups(quality, precision, iou, counters.names, seen),
        per_class={
            name: {
                **_class_row(quality.per_class[name], precision.per_class[index], iou.iou[index]),
                "seen": None if seen is None else bool(seen[index]),
            }
            for index, name in enumerate(counters.names)
        },
        confusion=_confusion(counters),
        missing=missing,
        failures=failures,
        settings=settings,
    )


def _groups(
    quality: PanopticQuality, precision: Precision, iou: IoUResult, names: Sequence[str], seen: Sequence[bool] | None
) -> dict[str, GroupFigures]:
    figures = {}
    for group, flag in () if seen is None else (("seen", True), ("unseen", False)):
        members = [index for index, value in enumerate(seen or ()) if bool(value) is flag]
        mean = quality.mean(names={names[index] for index in members})
        pq, sq, rq = map(_percent, (mean.pq, mean.sq, mean.rq))
        average, overlap = _percent(precision.mean(members)), _percent(iou.mean(members))
        figures[group] = GroupFigures(len(members), pq, sq, rq, average, overlap)
    return figures


def _class_row(quality: ClassQuality, ap: float | None, iou: float | None) -> dict[str, float | int | None]:
    counts = {"tp": quality.tp, "fp": quality.fp, "fn": quality.fn}
    shares = {key: 100 * getattr(quality, key) if quality.counted else None for key in ("pq", "sq", "rq")}
    return {**shares, "ap": _percent(ap), "iou": _percent(iou), **counts}


def _confusion(counters: Counters) -> tuple[Confusion, ...]:
    names = (*counters.names, None)  # -1, the last, is no class
    return tuple(
        Confusion(counters.names[mistake.truth], names[mistake.predicted], mistake.pixels, 100 * mistake.share)
        for mistake in counters.confusion.mistakes(CONFUSED)
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
