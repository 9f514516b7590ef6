"""The figures of an evaluation, computed from the counts: for all classes, and separately for those that the
fine-tuning saw and did not see (paper, section 3; method.md 1.7 and 5).

A figure of a group is the mean over its classes, as panopticapi takes it over categories: classes without a true
positive, a false negative or a false positive are left out of PQ, SQ and RQ, those that are not annotated out of mAP
and mIoU. A mean over classes of which one is of unknown kind, neither thing nor stuff, is None in PQ and mAP: whether
two masks of a class are two segments or one decides both.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.average_precision import Precision, no_precision
from retclip.algorithms.bootstrap import LEVEL
from retclip.algorithms.calibration import Calibration, ReliabilityBin
from retclip.algorithms.mean_iou import IoUResult
from retclip.algorithms.panoptic_quality import MeanQuality
from retclip.passed_over import PassedOver
from retclip.store.records import Failure
from retclip.workflows.evaluation.bias import SeenBias, seen_bias
from retclip.workflows.evaluation.class_groups import class_groups
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.image_table import COUNTED_SEGMENTS, class_figures, figures_of, intervals
from retclip.workflows.evaluation.oracle_costs import OracleFigures

CONFUSED = 30  # pairs of classes that are told
EXAMPLES = 3  # classes that a reason names
NO_QUALITY = MeanQuality(None, None, None, 0)
ClassRow = Mapping[str, float | int | None]


@dataclass(frozen=True)
class GroupFigures:
    """The figures of a group of classes, in percent; None where none of them occurs.

    classes: how many they are.
    pq, sq, rq, map: None, too, where one of them is of unknown kind.
    """

    classes: int
    pq: float | None
    sq: float | None
    rq: float | None
    map: float | None
    miou: float | None
    fwiou: float | None = None
    boundary_iou: float | None = None


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn.

    drawings: how many; 0 = no intervals.
    seed: of the drawings; equal seeds give equal intervals.
    level: the share of the drawings that an interval holds.
    """

    drawings: int = 1000
    seed: int = 0
    level: float = LEVEL


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
    no_pq: why no PQ is counted at all; empty where it is.
    map, map50, map75: against the annotation's own masks; None where no thing is annotated.
    map_small, map_medium, map_large: of things below 32 x 32 pixels, below 96 x 96, and larger.
    no_map: why no AP is counted at all; empty where it is.
    miou, pixel_accuracy, segment_accuracy: None where nothing is labelled.
    fwiou: IoU weighted by the pixels of each class; boundary_iou: mean over the classes, near contours only.
    calibration_error: of the scores of segments, percent; None where no segment has a score.
    reliability: the curve behind it; scores and accuracies in [0, 1].
    intervals: "all", "seen", "unseen" -> figure -> (low, high), over the images; None without a figure; not of AP.
    bootstrap: how they were drawn.
    bias: how far the answers lean towards seen classes; None where nobody says which are.
    oracles: what the figures would be with the truth in the place of parts of the system, where it was asked.
    groups: "seen" and "unseen"; empty where nobody says which classes the fine-tuning saw.
    per_class: class -> pq, sq, rq, ap, iou, boundary_iou, tp, fp, fn and seen; None where it does not occur, or nobody
    says.
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
    no_pq: str = ""
    passed_over: Mapping[str, int] = field(default_factory=dict)  # reason -> how many
    assumed: Mapping[str, int] = field(default_factory=dict)  # reason -> how many images
    fwiou: float | None = None
    boundary_iou: float | None = None
    calibration_error: float | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    intervals: Mapping[str, Mapping[str, tuple[float, float] | None]] = field(default_factory=dict)
    bootstrap: Bootstrap | None = None
    bias: SeenBias | None = None
    oracles: tuple[OracleFigures, ...] = ()

    def __repr__(self) -> str:
        values = (("PQ", self.pq), ("mAP", self.map), ("mIoU", self.miou))
        told = ", ".join(f"{title} {'-' if value is None else f'{value:.1f}'}" for title, value in values)
        return f"<{type(self).__name__} of {self.images} images, {len(self.per_class)} classes: {told}>"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def summary(
    counters: Counters,
    seen: Sequence[bool] | None,
    missing: tuple[str, ...],
    failures: Sequence[Failure],
    settings: Mapping[str, Any],
    bootstrap: Bootstrap = Bootstrap(),
    left_out: PassedOver = PassedOver(),
) -> Evaluation:
    """Return the figures.

    seen: (c,) in the order of the counters' names, whether the fine-tuning saw a class; None = unknown.
    failures: of images; the bad parts of `left_out` are added.
    bootstrap: how the intervals are drawn.
    left_out: what was passed over in annotation and predictions.
    """
    sums = counters.table.sums()
    whole = figures_of(sums)
    quality, iou, no_pq = counters.quality, counters.confusion.result(), _no_quality(counters)
    classes = len(counters.names)
    precision = no_precision(classes) if counters.no_precision else counters.precision.result()
    ap = no_precision(classes) if no_pq else precision
    everything, things, stuff = (NO_QUALITY if no_pq else quality.mean(flag) for flag in (None, True, False))
    return Evaluation(
        images=counters.images,
        pq=_percent(everything.pq),
        sq=_percent(everything.sq),
        rq=_percent(everything.rq),
        pq_things=_percent(things.pq),
        pq_stuff=_percent(stuff.pq),
        map=_percent(ap.ap),
        map50=_percent(ap.ap50),
        map75=_percent(ap.ap75),
        map_small=_percent(ap.small),
        map_medium=_percent(ap.medium),
        map_large=_percent(ap.large),
        no_map=counters.no_precision or no_pq,
        no_pq=no_pq,
        miou=_percent(iou.miou),
        pixel_accuracy=_percent(iou.accuracy),
        segment_accuracy=100 * counters.right / counters.judged if counters.judged else None,
        fwiou=_number(whole["fwiou"][0]),
        boundary_iou=_number(whole["boundary_iou"][0]),
        calibration_error=None if no_pq else _percent(counters.calibration.error),
        reliability=_reliability(counters.calibration) if not no_pq else (),
        intervals=_intervals(counters, seen, bootstrap),
        bootstrap=bootstrap if bootstrap.drawings else None,
        bias=_bias(counters, seen, bootstrap),
        groups=_groups(counters, precision, iou, seen),
        per_class=_per_class(counters, precision, iou, class_figures(sums)["boundary_iou"][0], seen),
        confusion=_confusion(counters),
        missing=missing,
        failures=(*failures, *(Failure(part.record, part.uri, part.reason) for part in left_out.bad)),
        settings=settings,
        passed_over=left_out.counts,
        assumed=left_out.assumed,
    )


def _bias(counters: Counters, seen: Sequence[bool] | None, bootstrap: Bootstrap) -> SeenBias | None:
    if seen is None:
        return None
    return seen_bias(counters.table, counters.names, seen, bootstrap.drawings, bootstrap.seed)


def _per_class(
    counters: Counters, precision: Precision, iou: IoUResult, edges: NDArray[np.float64], seen: Sequence[bool] | None
) -> dict[str, ClassRow]:
    """Return the figures of each class, by its name. edges: (c,) boundary IoU in [0, 1], nan without one."""
    return {
        name: {
            **_class_row(counters, name, precision.per_class[index], iou.iou[index]),
            "boundary_iou": _number(edges[index]),
            "seen": None if seen is None else bool(seen[index]),
        }
        for index, name in enumerate(counters.names)
    }


def _no_quality(counters: Counters) -> str:
    """Return why PQ and AP have no mean over all classes; empty where they have."""
    unknown = [name for name in counters.names if name in counters.unknown_kind]
    if not unknown:
        return ""
    examples = ", ".join(unknown[:EXAMPLES])
    return (
        f"nobody says of {len(unknown)} classes, e.g. {examples}, whether they are things or stuff; "
        "say it in the class list (`car | thing`, `sky | stuff`), or name such a list as isthing=FILE in the source"
    )


def _groups(
    counters: Counters, precision: Precision, iou: IoUResult, seen: Sequence[bool] | None
) -> dict[str, GroupFigures]:
    figures, names, sums = {}, counters.names, counters.table.sums()
    for group, members in class_groups(seen).items():
        group_names = {names[index] for index in members}
        decided = counters.decided(members)
        mean = counters.quality.mean(names=group_names) if decided else NO_QUALITY
        pq, sq, rq = map(_percent, (mean.pq, mean.sq, mean.rq))
        average = _percent(precision.mean(members)) if decided else None
        overlap = _percent(iou.mean(members))
        of_images = figures_of(sums, members)
        fwiou, edges = _number(of_images["fwiou"][0]), _number(of_images["boundary_iou"][0])
        figures[group] = GroupFigures(len(members), pq, sq, rq, average, overlap, fwiou, edges)
    return figures


def _intervals(
    counters: Counters, seen: Sequence[bool] | None, bootstrap: Bootstrap
) -> dict[str, dict[str, tuple[float, float] | None]]:
    """Return the intervals of all classes and of the groups, in percent."""
    groups: dict[str, Collection[int] | None] = {"all": None, **class_groups(seen)}
    drawn = intervals(counters.table, groups, bootstrap.drawings, bootstrap.seed)
    for name, members in groups.items():
        if not counters.decided(members):
            drawn[name] |= dict.fromkeys(COUNTED_SEGMENTS)
    return {
        name: {key: None if ends is None else (100 * ends[0], 100 * ends[1]) for key, ends in figures.items()}
        for name, figures in drawn.items()
        if figures
    }


def _reliability(calibration: Calibration) -> tuple[ReliabilityBin, ...]:
    return calibration.curve if calibration.counts.any() else ()


def _number(value: float) -> float | None:
    """Return percent; None for nan."""
    return None if math.isnan(value) else 100 * float(value)


def _class_row(counters: Counters, name: str, ap: float | None, iou: float | None) -> dict[str, float | int | None]:
    """Return the figures of a class; those that count segments are None where its kind is unknown."""
    if name in counters.unknown_kind:
        return {**dict.fromkeys((*COUNTED_SEGMENTS, "ap")), "iou": _percent(iou), **dict.fromkeys(("tp", "fp", "fn"))}
    quality = counters.quality.per_class[name]
    counts = {"tp": quality.tp, "fp": quality.fp, "fn": quality.fn}
    shares = {key: 100 * getattr(quality, key) if quality.counted else None for key in COUNTED_SEGMENTS}
    return {**shares, "ap": _percent(ap), "iou": _percent(iou), **counts}


def _confusion(counters: Counters) -> tuple[Confusion, ...]:
    names = (*counters.names, None)  # -1, the last, is no class
    return tuple(
        Confusion(counters.names[mistake.truth], names[mistake.predicted], mistake.pixels, 100 * mistake.share)
        for mistake in counters.confusion.mistakes(CONFUSED)
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
