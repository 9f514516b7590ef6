"""Panoptic quality, counted exactly as panopticapi counts (Kirillov et al. 2019; method.md 5.2).

    PQ = sum of IoU over TP / (TP + FP/2 + FN/2) = SQ * RQ

A prediction and an annotated segment match when their classes are equal, the annotation is no crowd, and IoU > 0.5,
where pixels that the annotation leaves void are taken out of the union. An unmatched prediction is no false positive
when more than half of it lies in void or in the crowd region of its own class; of several crowd regions of a class in
one image the last counts, as in panopticapi. Classes without TP, FP and FN are left out of the means.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.errors import DataError
from retclip.types import PanopticSegmentation, SegmentInfo

MATCH = 0.5  # IoU above which at most one prediction can match an annotated segment


@dataclass(frozen=True)
class ClassQuality:
    """Counts and qualities of one class.

    tp, fp, fn: segments, true positives, false positives and false negatives.
    iou_sum: sum of the IoU over the true positives.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    @property
    def counted(self) -> bool:
        """Whether the class occurs in a prediction or an annotation."""
        return self.tp + self.fp + self.fn > 0

    @property
    def pq(self) -> float:
        """Panoptic quality in [0, 1]."""
        return self.iou_sum / (self.tp + 0.5 * self.fp + 0.5 * self.fn) if self.counted else 0.0

    @property
    def sq(self) -> float:
        """Segmentation quality in [0, 1]: the mean IoU of the matches."""
        return self.iou_sum / self.tp if self.tp else 0.0

    @property
    def rq(self) -> float:
        """Recognition quality in [0, 1]: the F1 score of the segments."""
        return self.tp / (self.tp + 0.5 * self.fp + 0.5 * self.fn) if self.counted else 0.0

    def __add__(self, other: ClassQuality) -> ClassQuality:
        return ClassQuality(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou_sum + other.iou_sum)


@dataclass(frozen=True)
class MeanQuality:
    """Means over the n classes that occur: pq, sq, rq in [0, 1], None where n is 0."""

    pq: float | None
    sq: float | None
    rq: float | None
    n: int


class PanopticQuality:
    """Accumulates the panoptic quality over images.

    is_thing: of every class of the data set, by its name.
    """

    def __init__(self, is_thing: Mapping[str, bool]) -> None:
        self.is_thing = dict(is_thing)
        self.per_class = {name: ClassQuality() for name in is_thing}

    def add(self, predicted: PanopticSegmentation, truth: PanopticSegmentation) -> None:
        """Add one image.

        Raises DataError where sizes differ, a map and its segments disagree, or a class is not of the data set.
        """
        if predicted.label_map.shape != truth.label_map.shape:
            raise DataError(
                f"a prediction of size {truth.label_map.shape}", f"{predicted.label_map.shape}", "predict at full size"
            )
        predictions, annotations = self._segments(predicted, "prediction"), self._segments(truth, "annotation")
        overlaps = _overlaps(predicted.label_map, truth.label_map)
        matched_predictions, matched_annotations = set(), set()
        for (predicted_id, truth_id), intersection in overlaps.items():
            prediction, annotation = predictions.get(predicted_id), annotations.get(truth_id)
            if (
                prediction is None
                or annotation is None
                or annotation.is_crowd
                or prediction.class_name != annotation.class_name
            ):
                continue
            union = prediction.area + annotation.area - intersection - overlaps.get((predicted_id, 0), 0)
            if intersection / union > MATCH:
                self._count(prediction.class_name, ClassQuality(tp=1, iou_sum=intersection / union))
                matched_predictions.add(predicted_id)
                matched_annotations.add(truth_id)
        self._count_unmatched(predictions, annotations, overlaps, matched_predictions, matched_annotations)

    def merge(self, other: PanopticQuality) -> None:
        """Add the counts of another accumulator over the same classes."""
        for name, quality in other.per_class.items():
            self._count(name, quality)

    def mean(self, things: bool | None = None, names: Collection[str] | None = None) -> MeanQuality:
        """Return the means over the classes that occur.

        things: True = things only, False = stuff only, None = both.
        names: only these classes; None = all.
        """
        qualities = [
            quality
            for name, quality in self.per_class.items()
            if quality.counted
            and (things is None or self.is_thing[name] is things)
            and (names is None or name in names)
        ]
        n = len(qualities)
        pq, sq, rq = (
            sum(getattr(quality, key) for quality in qualities) / n if n else None for key in ("pq", "sq", "rq")
        )
        return MeanQuality(pq, sq, rq, n)

    def _segments(self, result: PanopticSegmentation, role: str) -> dict[int, SegmentInfo]:
        """Return the segments by id, with their areas counted in the map."""
        ids, areas = np.unique(result.label_map, return_counts=True)
        counted = {int(i): int(a) for i, a in zip(ids, areas, strict=True) if i != 0}
        segments = {segment.id: segment for segment in result.segments}
        if counted.keys() != segments.keys():
            differing = sorted(counted.keys() ^ segments.keys())[:5]
            raise DataError(
                f"the {role}'s map and segments to have the same ids", f"differing {differing}", "repair it"
            )
        unknown = {segment.class_name for segment in result.segments} - self.per_class.keys()
        if unknown:
            raise DataError(f"classes of the data set in the {role}", ", ".join(sorted(unknown)), "map them first")
        return {
            i: SegmentInfo(i, segment.class_name, segment.is_thing, counted[i], is_crowd=segment.is_crowd)
            for i, segment in segments.items()
        }

    def _count_unmatched(
        self,
        predictions: Mapping[int, SegmentInfo],
        annotations: Mapping[int, SegmentInfo],
        overlaps: Mapping[tuple[int, int], int],
        matched_predictions: set[int],
        matched_annotations: set[int],
    ) -> None:
        """Count the false negatives, and the false positives that neither void nor a crowd region excuses."""
        crowds: dict[str, int] = {}
        for truth_id, annotation in annotations.items():
            if annotation.is_crowd:
                crowds[annotation.class_name] = truth_id  # the last one counts
            elif truth_id not in matched_annotations:
                self._count(annotation.class_name, ClassQuality(fn=1))
        for predicted_id, prediction in predictions.items():
            if predicted_id not in matched_predictions:
                excused = overlaps.get((predicted_id, 0), 0)
                if prediction.class_name in crowds:
                    excused += overlaps.get((predicted_id, crowds[prediction.class_name]), 0)
                if excused / prediction.area <= MATCH:
                    self._count(prediction.class_name, ClassQuality(fp=1))

    def _count(self, name: str, more: ClassQuality) -> None:
        self.per_class[name] = self.per_class[name] + more


def _overlaps(predicted: NDArray[np.int32], truth: NDArray[np.int32]) -> dict[tuple[int, int], int]:
    """Return the intersection in pixels of every pair (predicted id, annotated id) that overlaps, void (0) included."""
    pairs = predicted.astype(np.int64).ravel() << 32 | truth.astype(np.int64).ravel()  # (H * W,)
    values, counts = np.unique(pairs, return_counts=True)
    return {(int(v) >> 32, int(v) & 0xFFFFFFFF): int(c) for v, c in zip(values, counts, strict=True)}
