"""Average precision of instances, counted by pycocotools' own COCOeval (Lin et al. 2014; method.md 5.3).

    AP = mean over classes, over the IoU thresholds .50, .55, ..., .95 and over 101 recalls 0, .01, ..., 1
         of the highest precision at that recall or beyond it

Within an image and a class the predictions are taken best first, 100 at most; each takes the annotated instance that it
overlaps most, if IoU >= threshold and no better one took it. A crowd counts as no instance: it excuses whatever lies in
it, IoU being the share of the prediction inside. Classes without an annotated instance are left out of the mean.

No mask is kept: IoUs are taken image by image, so that the memory does not grow with the masks of a data set.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as runs
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from retclip.errors import DataError

MOST = 100  # predictions of a class in an image that are looked at
EVERY_AREA = (0.0, 1e10)  # square pixels: COCOeval's range "all"
Key = tuple[int, int]  # image, class
Lists = Mapping[Key, Sequence[float]] | Mapping[Key, Sequence[bool]]  # scores of predictions, crowd flags of truths


@dataclass(frozen=True)
class Instance:
    """An object, predicted or annotated. mask: COCO run lengths, {"size": [H, W], "counts": text}. score: higher is
    surer. A prediction of a class that is not annotated in its image may come without a mask: it overlaps nothing."""

    class_index: int
    mask: Mapping[str, Any] | None
    score: float = 1.0
    is_crowd: bool = False


@dataclass(frozen=True)
class Precision:
    """Mean AP over all thresholds, at IoU .50 and at .75, in [0, 1]; per_class: AP of each class. None where no
    instance is annotated."""

    ap: float | None
    ap50: float | None
    ap75: float | None
    per_class: tuple[float | None, ...]

    def mean(self, classes: Sequence[int]) -> float | None:
        """Mean AP over some of the classes; None where none of them has an annotated instance."""
        found = [value for index in classes if (value := self.per_class[index]) is not None]
        return sum(found) / len(found) if found else None


class AveragePrecision:
    """Collects image after image. classes: how many there are, things and stuff; stuff just never comes."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._images = 0
        self._scores: dict[Key, list[float]] = {}  # best first
        self._crowds: dict[Key, list[bool]] = {}  # of the annotated instances
        self._overlaps: dict[Key, NDArray[np.float64]] = {}  # (predicted, annotated) IoU

    def add(self, predicted: Sequence[Instance], annotated: Sequence[Instance]) -> None:
        """Add one image. Raises DataError for a class that there is not, and where a mask is missing that decides."""
        guesses, truths = self._by_class(predicted), self._by_class(annotated)
        overlaps = {index: _overlaps(guesses[index], truths[index]) for index in guesses.keys() & truths.keys()}
        for index, instances in guesses.items():
            self._scores[self._images, index] = [one.score for one in instances]
        for index, instances in truths.items():
            self._crowds[self._images, index] = [one.is_crowd for one in instances]
        self._overlaps |= {(self._images, index): value for index, value in overlaps.items()}
        self._images += 1

    def result(self) -> Precision:
        """The figures over all images added."""
        names = sorted({index for (_, index), crowds in self._crowds.items() if not all(crowds)})
        if not names:
            return Precision(None, None, None, (None,) * self.classes)
        values = self._precision(names)  # (thresholds, recalls, classes)
        per_class: list[float | None] = [None] * self.classes
        for place, index in enumerate(names):
            per_class[index] = float(values[:, :, place].mean())
        return Precision(float(values.mean()), float(values[0].mean()), float(values[5].mean()), tuple(per_class))

    def _precision(self, names: Sequence[int]) -> NDArray[np.float64]:
        """COCOeval's precision, (10 thresholds, 101 recalls, classes). It is told the IoUs instead of the masks."""
        with redirect_stdout(io.StringIO()):  # it talks
            judge = COCOeval(self._document(self._crowds, names, True), self._document(self._scores, names, False))
            judge.params.areaRng, judge.params.areaRngLbl = [list(EVERY_AREA)], ["all"]
            judge.params.maxDets = [MOST]
            judge.computeIoU = lambda image, index: self._overlaps.get((image, int(index)), [])
            judge.evaluate()
            judge.accumulate()
        found: NDArray[np.float64] = judge.eval["precision"][..., 0, 0]
        return found

    def _document(self, lists: Lists, names: Sequence[int], annotated: bool) -> COCO:
        """A COCO data set in memory, without masks. Ids start at 1: COCOeval takes a match with 0 for none."""
        wanted, annotations = set(names), list[dict[str, Any]]()
        for (image, index), values in lists.items():
            for value in values if index in wanted else ():
                told = {"iscrowd": int(value)} if annotated else {"score": value}
                entry = {"id": len(annotations) + 1, "image_id": image, "category_id": index, "area": 1.0}
                annotations.append({**entry, **told, "segmentation": {"counts": ""}})
        document = COCO()
        document.dataset = {
            "images": [{"id": number, "height": 0, "width": 0} for number in range(self._images)],
            "categories": [{"id": index} for index in names],
            "annotations": annotations,
        }
        document.createIndex()
        return document

    def _by_class(self, instances: Sequence[Instance]) -> dict[int, list[Instance]]:
        """Best first, and no more than are looked at."""
        found: dict[int, list[Instance]] = {}
        for one in sorted(instances, key=lambda instance: -instance.score):
            if not 0 <= one.class_index < self.classes:
                raise DataError(f"a class below {self.classes}", str(one.class_index), "map classes first")
            found.setdefault(one.class_index, []).append(one)
        return found


def _overlaps(predicted: Sequence[Instance], annotated: Sequence[Instance]) -> NDArray[np.float64]:
    """(predicted, annotated) IoU; beside a crowd the share of the prediction that lies in it."""
    masks = [[one.mask for one in instances] for instances in (predicted[:MOST], annotated)]
    if any(mask is None for some in masks for mask in some):
        raise DataError("a mask of every instance whose class is annotated", "none", "leave masks out elsewhere only")
    sizes = {tuple(mask["size"]) for some in masks for mask in some if mask is not None}
    if len(sizes) > 1:
        raise DataError("masks of one size in an image", f"{sorted(sizes)}", "predict at full size")
    found: NDArray[np.float64] = runs.iou(*masks, [int(one.is_crowd) for one in annotated])
    return found
