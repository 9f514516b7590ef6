"""Panoptic quality, counted exactly as panopticapi counts (Kirillov et al. 2019; method.md 5.2).

    PQ = sum of IoU over TP / (TP + FP/2 + FN/2) = SQ * RQ

Classes without TP, FP and FN are left out of the means. Read next: `panoptic_matching.py`, what matches what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from retclip.algorithms.panoptic_matching import Matching, labelled, match_segments
from retclip.types import PanopticSegmentation


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
        self.include(match_segments(labelled(predicted), labelled(truth), self.per_class.keys()))

    def include(self, matching: Matching) -> None:
        """Add one image whose segments are compared already."""
        for match in matching.true_positives:
            self._count(match.predicted.class_name, ClassQuality(tp=1, iou_sum=match.iou))
        for segment in matching.false_positives:
            self._count(segment.class_name, ClassQuality(fp=1))
        for segment in matching.false_negatives:
            self._count(segment.class_name, ClassQuality(fn=1))

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

    def _count(self, name: str, more: ClassQuality) -> None:
        self.per_class[name] = self.per_class[name] + more
