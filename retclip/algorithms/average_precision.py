"""Average precision of instances, counted by pycocotools' own COCOeval (Lin et al. 2014; method.md 5.3).

    AP = mean over classes, over the IoU thresholds .50, .55, ..., .95 and over 101 recalls 0, .01, ..., 1
         of the highest precision at that recall or beyond it

Within an image and a class the predictions are taken best first, 100 at most; each takes the annotated instance that it
overlaps most, if IoU >= threshold and no better one took it. A crowd counts as no instance: it excuses whatever lies in
it, IoU being the share of the prediction inside. Classes without an annotated instance are left out of the mean. AP of
a size counts the annotated instances of that area, and of the unmatched predictions those of that area.

Where an annotation says which classes were looked for in an image (LVIS, Gupta et al. 2019), predictions of other
classes are passed over, and what matches nothing is no false alarm in a class that is not annotated exhaustively.

No mask is kept: IoUs are taken image by image, so that the memory does not grow with the masks of a data set. COCOeval
is asked class by class, of the images that have the class: of all pairs of LVIS' images and classes most are empty.
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

MOST = 100  # predictions of a class in an image that are looked at
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

    mask: COCO run lengths, {"size": [H, W], "counts": text}. A prediction of a class that is not annotated in its image
    may come without one: it overlaps nothing.
    score: higher is surer.
    area: square pixels, None = the mask's own; of an annotation as it states it.
    """

    class_index: int
    mask: Mapping[str, Any] | None
    score: float = 1.0
    is_crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Precision:
    """Mean AP over all thresholds, at IoU .50 and at .75, in [0, 1]; per_class: AP of each class; small, medium, large:
    of instances of such areas. None where no instance is annotated."""

    ap: float | None
    ap50: float | None
    ap75: float | None
    per_class: tuple[float | None, ...]
    small: float | None = None
    medium: float | None = None
    large: float | None = None

    def mean(self, classes: Sequence[int]) -> float | None:
        """Mean AP over some of the classes; None where none of them has an annotated instance."""
        return _mean([value for index in classes if (value := self.per_class[index]) is not None])


def no_precision(classes: int) -> Precision:
    """No figure at all."""
    return Precision(None, None, None, (None,) * classes)


@dataclass(frozen=True, eq=False)
class _Entry:
    """An image in which a class is annotated or predicted. scores, areas: of the predictions, best first. truths: area
    and crowd flag of each annotated instance. overlaps: (predicted, annotated) IoU."""

    scores: Sequence[float]
    areas: Sequence[float]
    truths: Sequence[tuple[float, bool]]
    overlaps: NDArray[np.float64] | None


class AveragePrecision:
    """Collects image after image. classes: how many there are, things and stuff; stuff just never comes."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._entries: dict[int, list[_Entry]] = {}  # by class

    def add(
        self,
        predicted: Sequence[Instance],
        annotated: Sequence[Instance],
        absent: Collection[int] | None = None,
        incomplete: Collection[int] = (),
    ) -> None:
        """Add one image.

        absent: classes that were looked for and are not there; None = all that are not annotated.
        incomplete: classes of which not every instance is annotated.
        Raises DataError for a class that there is not, and where a mask is missing that decides.
        """
        guesses, truths = self._by_class(predicted), self._by_class(annotated)
        if absent is None:
            guesses = {index: several[:MOST] for index, several in guesses.items()}
        else:  # LVIS limits the predictions of an image, not those of a class in it
            guesses = {index: guesses[index] for index in guesses.keys() & (truths.keys() | set(absent))}
        new = {
            index: _entry(guesses.get(index, ()), truths.get(index, ()), index in incomplete)
            for index in guesses.keys() | truths.keys()
        }
        for index, entry in new.items():
            self._entries.setdefault(index, []).append(entry)

    def result(self) -> Precision:
        """The figures over all images added."""
        counted = {
            index: _precision(entries)
            for index, entries in self._entries.items()
            if any(not crowd for one in entries for _, crowd in one.truths)
        }
        ap = {index: float(values[:, :, 0].mean()) for index, values in counted.items()}
        sizes = (_mean([float(v[:, :, n].mean()) for v in counted.values() if v[0, 0, n] >= 0]) for n in (1, 2, 3))
        at = (_mean([float(values[place, :, 0].mean()) for values in counted.values()]) for place in (0, 5))
        per_class = tuple(ap.get(one) for one in range(self.classes))
        return Precision(_mean(list(ap.values())), next(at), next(at), per_class, *sizes)

    def _by_class(self, instances: Sequence[Instance]) -> dict[int, list[Instance]]:
        """Best first."""
        found: dict[int, list[Instance]] = {}
        for one in sorted(instances, key=lambda instance: -instance.score):
            if not 0 <= one.class_index < self.classes:
                raise DataError(f"a class below {self.classes}", str(one.class_index), "map classes first")
            found.setdefault(one.class_index, []).append(one)
        return found


def _entry(predicted: Sequence[Instance], annotated: Sequence[Instance], incomplete: bool) -> _Entry:
    overlaps = _overlaps(predicted, annotated) if predicted and annotated else None
    areas = [NO_AREA if incomplete else _area(one) for one in predicted]
    return _Entry([one.score for one in predicted], areas, [(_area(one), one.is_crowd) for one in annotated], overlaps)


def _area(one: Instance) -> float:
    if one.area is not None or one.mask is None:
        return one.area or 0.0
    return float(runs.area(one.mask))


def _precision(entries: Sequence[_Entry]) -> NDArray[np.float64]:
    """COCOeval's precision of one class, (10 thresholds, 101 recalls, sizes), -1 where no instance is of that size. It
    is told the IoUs instead of the masks."""
    truths = [[{"area": area, "iscrowd": int(crowd)} for area, crowd in one.truths] for one in entries]
    guesses = [
        [{"area": area, "score": score} for area, score in zip(one.areas, one.scores, strict=True)] for one in entries
    ]
    with redirect_stdout(io.StringIO()):  # it talks
        judge = COCOeval(_document(truths), _document(guesses))
        judge.params.areaRng, judge.params.areaRngLbl = list(map(list, SIZES.values())), list(SIZES)
        judge.params.maxDets = [max(len(one.scores) for one in entries)]  # no more than those that were kept
        judge.computeIoU = lambda image, _: [] if (found := entries[image].overlaps) is None else found
        judge.evaluate()
        judge.accumulate()
    found: NDArray[np.float64] = judge.eval["precision"][:, :, 0, :, 0]
    return found


def _document(images: Sequence[Sequence[Mapping[str, Any]]]) -> COCO:
    """A COCO data set of one class in memory, without masks. Ids start at 1: COCOeval takes a match with 0 for none."""
    numbers = count(1)
    document = COCO()
    document.dataset = {
        "images": [{"id": number, "height": 0, "width": 0} for number in range(len(images))],
        "categories": [{"id": 0}],
        "annotations": [
            {"id": next(numbers), "image_id": image, "category_id": 0, "segmentation": {"counts": ""}, **one}
            for image, several in enumerate(images)
            for one in several
        ],
    }
    document.createIndex()
    return document


def _overlaps(predicted: Sequence[Instance], annotated: Sequence[Instance]) -> NDArray[np.float64]:
    """(predicted, annotated) IoU; beside a crowd the share of the prediction that lies in it."""
    masks = [[one.mask for one in instances] for instances in (predicted, annotated)]
    if any(mask is None for some in masks for mask in some):
        raise DataError("a mask of every instance whose class is annotated", "none", "leave masks out elsewhere only")
    sizes = {tuple(mask["size"]) for some in masks for mask in some if mask is not None}
    if len(sizes) > 1:
        raise DataError("masks of one size in an image", f"{sorted(sizes)}", "predict at full size")
    found: NDArray[np.float64] = runs.iou(*masks, [int(one.is_crowd) for one in annotated])
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
