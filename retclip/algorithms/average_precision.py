"""Average precision of instances, counted by pycocotools' own COCOeval (Lin et al. 2014; method.md 5.3).

    AP = mean over classes, over the IoU thresholds .50, .55, ..., .95 and over 101 recalls 0, .01, ..., 1
         of the highest precision at that recall or beyond it

Within an image and a class the predictions are matched in the order of their scores, 100 at most; each is matched to
the annotated instance with the highest IoU, if IoU >= threshold and no better prediction has it. A crowd region is no
instance: predictions inside it are ignored, IoU there being the share of the prediction that lies inside. Classes
without an annotated instance are left out of the mean. AP of a size counts the annotated instances of that area, and of
the unmatched predictions those of that area.

Where a data set states which classes were verified in an image (LVIS, Gupta et al. 2019), predictions of other classes
are ignored, and an unmatched prediction is no false positive in a class that is not annotated exhaustively.

Masks are not stored: IoUs are computed image by image, so memory does not grow with the masks of a data set. COCOeval
runs class by class over the images that have the class, because most pairs of LVIS' images and classes are empty.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as runs
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from retclip.errors import DataError

MAX_DETECTIONS = 100  # predictions of a class in an image that count (COCOeval's maxDets)
SIZES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}  # COCOeval
NO_AREA = -1.0  # outside every range: COCOeval ignores an unmatched prediction of that area


@dataclass(frozen=True)
class Instance:
    """An object, predicted or annotated.

    class_index: in 0 .. c-1.
    mask: COCO run lengths, {"size": [H, W], "counts": text}. None is allowed for a prediction of a class that is not
    annotated in its image: it overlaps nothing.
    score: higher is more confident.
    is_crowd: a region of many objects; annotations only.
    area: pixels; an annotation's own figure, None = the area of the mask.
    """

    class_index: int
    mask: Mapping[str, Any] | None
    score: float = 1.0
    is_crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Precision:
    """Average precision, each in [0, 1], None where no instance is annotated.

    ap: mean over classes and thresholds.
    ap50, ap75: mean over classes at IoU .50 and .75.
    per_class: (c,) AP of each class over all thresholds.
    small, medium, large: mean AP over instances of an area of `SIZES`.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    per_class: tuple[float | None, ...]
    small: float | None = None
    medium: float | None = None
    large: float | None = None

    def mean(self, classes: Sequence[int]) -> float | None:
        """Return the mean AP over the given class indices; None where none of them has an annotated instance."""
        return _mean([value for index in classes if (value := self.per_class[index]) is not None])


def no_precision(classes: int) -> Precision:
    """Return a precision without a figure, for evaluations that count no instances."""
    return Precision(None, None, None, (None,) * classes)


@dataclass(frozen=True, eq=False)
class ClassInImage:
    """One class in one image with p predictions and a annotated instances.

    scores, areas: (p,) of the predictions, best first.
    truths: (a,) area in pixels and crowd flag of each annotated instance.
    overlaps: (p, a) IoU; None where p or a is 0.
    """

    scores: Sequence[float]
    areas: Sequence[float]
    truths: Sequence[tuple[float, bool]]
    overlaps: NDArray[np.float64] | None

    def as_list(self) -> list[Any]:
        """Return plain data, from which `of_list` makes the same numbers."""
        overlaps = None if self.overlaps is None else self.overlaps.tolist()
        return [list(self.scores), list(self.areas), [list(truth) for truth in self.truths], overlaps]

    @classmethod
    def of_list(cls, values: Sequence[Any]) -> ClassInImage:
        """Return what `as_list` wrote. Raises TypeError, ValueError for anything else."""
        scores, areas, truths, overlaps = values
        return cls(
            [float(score) for score in scores],
            [float(area) for area in areas],
            [(float(area), bool(crowd)) for area, crowd in truths],
            None if overlaps is None else np.array(overlaps, dtype=np.float64).reshape(len(scores), len(truths)),
        )


class AveragePrecision:
    """Accumulates the average precision over images.

    classes: c, the number of classes, things and stuff; stuff classes just have no instances.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._entries: dict[int, list[ClassInImage]] = {}  # by class

    def compared(
        self,
        predicted: Sequence[Instance],
        annotated: Sequence[Instance],
        absent: Collection[int] | None = None,
        incomplete: Collection[int] = (),
    ) -> dict[int, ClassInImage]:
        """Return the classes of one image, without their masks; nothing is added.

        predicted, annotated: its instances, in any order.
        absent: classes verified to be absent; None = all that are not annotated.
        incomplete: classes of which not every instance is annotated.
        Raises DataError for a class index outside 0 .. c-1, and where a mask is missing that decides.
        """
        predictions, truths = self._by_class(predicted), self._by_class(annotated)
        if absent is None:
            predictions = {index: instances[:MAX_DETECTIONS] for index, instances in predictions.items()}
        else:  # LVIS limits the predictions of an image, not those of a class in it
            predictions = {index: predictions[index] for index in predictions.keys() & (truths.keys() | set(absent))}
        return {
            index: _entry(predictions.get(index, ()), truths.get(index, ()), index in incomplete)
            for index in sorted(predictions.keys() | truths.keys())
        }

    def include(self, entries: Mapping[int, ClassInImage]) -> None:
        """Add one image whose instances are compared already."""
        for index, entry in entries.items():
            self._entries.setdefault(index, []).append(entry)

    def merge(self, other: AveragePrecision) -> None:
        """Add the images of another accumulator over the same classes, after those here."""
        for index, entries in other._entries.items():
            self._entries.setdefault(index, []).extend(entries)

    def result(self) -> Precision:
        """Return the average precision over all images added."""
        precision = {  # (10 thresholds, 101 recalls, sizes) of each class
            index: _precision(entries)
            for index, entries in self._entries.items()
            if any(not crowd for entry in entries for _, crowd in entry.truths)
        }
        ap = {index: float(values[:, :, 0].mean()) for index, values in precision.items()}
        sizes = (_mean([float(v[:, :, n].mean()) for v in precision.values() if v[0, 0, n] >= 0]) for n in (1, 2, 3))
        at = (_mean([float(values[t, :, 0].mean()) for values in precision.values()]) for t in (0, 5))  # IoU .50, .75
        per_class = tuple(ap.get(index) for index in range(self.classes))
        return Precision(_mean(list(ap.values())), next(at), next(at), per_class, *sizes)

    def _by_class(self, instances: Sequence[Instance]) -> dict[int, list[Instance]]:
        """Return the instances of each class index, best score first."""
        by_class: dict[int, list[Instance]] = {}
        for instance in sorted(instances, key=lambda instance: -instance.score):
            if not 0 <= instance.class_index < self.classes:
                raise DataError(f"a class below {self.classes}", str(instance.class_index), "map classes first")
            by_class.setdefault(instance.class_index, []).append(instance)
        return by_class


def _entry(predicted: Sequence[Instance], annotated: Sequence[Instance], incomplete: bool) -> ClassInImage:
    overlaps = _overlaps(predicted, annotated) if predicted and annotated else None
    areas = [NO_AREA if incomplete else _area(instance) for instance in predicted]
    return ClassInImage(
        [instance.score for instance in predicted],
        areas,
        [(_area(instance), instance.is_crowd) for instance in annotated],
        overlaps,
    )


def _area(instance: Instance) -> float:
    if instance.area is not None or instance.mask is None:
        return instance.area or 0.0
    return float(runs.area(instance.mask))


def _precision(entries: Sequence[ClassInImage]) -> NDArray[np.float64]:
    """Return COCOeval's precision of one class, (10 thresholds, 101 recalls, sizes), -1 where a size has no instance.

    COCOeval gets the IoUs instead of the masks.
    """
    truths = [[{"area": area, "iscrowd": int(crowd)} for area, crowd in entry.truths] for entry in entries]
    predictions = [
        [{"area": area, "score": score} for area, score in zip(entry.areas, entry.scores, strict=True)]
        for entry in entries
    ]
    with redirect_stdout(io.StringIO()):  # COCOeval prints
        evaluator = COCOeval(_document(truths), _document(predictions))
        evaluator.params.areaRng, evaluator.params.areaRngLbl = list(map(list, SIZES.values())), list(SIZES)
        evaluator.params.maxDets = [max(len(entry.scores) for entry in entries)]  # `add` has limited them
        evaluator.computeIoU = lambda image, _: [] if (overlaps := entries[image].overlaps) is None else overlaps
        evaluator.evaluate()
        evaluator.accumulate()
    precision: NDArray[np.float64] = evaluator.eval["precision"][:, :, 0, :, 0]
    return precision


def _document(images: Sequence[Sequence[Mapping[str, Any]]]) -> COCO:
    """Return a COCO data set of one class in memory, without masks.

    Annotation ids start at 1, because COCOeval takes a match with id 0 for none.
    """
    ids = count(1)
    document = COCO()
    document.dataset = {
        "images": [{"id": image, "height": 0, "width": 0} for image in range(len(images))],
        "categories": [{"id": 0}],
        "annotations": [
            {"id": next(ids), "image_id": image, "category_id": 0, "segmentation": {"counts": ""}, **annotation}
            for image, annotations in enumerate(images)
            for annotation in annotations
        ],
    }
    document.createIndex()
    return document


def _overlaps(predicted: Sequence[Instance], annotated: Sequence[Instance]) -> NDArray[np.float64]:
    """Return the (p, a) IoU; with a crowd region the share of the prediction that lies inside it."""
    masks = [[instance.mask for instance in instances] for instances in (predicted, annotated)]
    if any(mask is None for group in masks for mask in group):
        raise DataError("a mask of every instance whose class is annotated", "none", "leave masks out elsewhere only")
    sizes = {tuple(mask["size"]) for group in masks for mask in group if mask is not None}
    if len(sizes) > 1:
        raise DataError("masks of one size in an image", f"{sorted(sizes)}", "predict at full size")
    iou: NDArray[np.float64] = runs.iou(*masks, [int(instance.is_crowd) for instance in annotated])
    return iou


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
