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

MATCH = 0.5  # IoU above which at most one prediction can match a segment


@dataclass(frozen=True)
class ClassQuality:
    """Counts and qualities of one class; qualities in [0, 1]."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    @property
    def counted(self) -> bool:
        """Whether the class occurred at all."""
        return self.tp + self.fp + self.fn > 0

    @property
    def pq(self) -> float:
        """Panoptic quality."""
        return self.iou_sum / (self.tp + 0.5 * self.fp + 0.5 * self.fn) if self.counted else 0.0

    @property
    def sq(self) -> float:
        """Segmentation quality: the mean IoU of the matches."""
        return self.iou_sum / self.tp if self.tp else 0.0

    @property
    def rq(self) -> float:
        """Recognition quality: an F1 score."""
        return self.tp / (self.tp + 0.5 * self.fp + 0.5 * self.fn) if self.counted else 0.0

    def __add__(self, other: ClassQuality) -> ClassQuality:
        return ClassQuality(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou_sum + other.iou_sum)


@dataclass(frozen=True)
class MeanQuality:
    """Means over the n classes that occurred: pq, sq, rq in [0, 1], None where none did."""

    pq: float | None
    sq: float | None
    rq: float | None
    n: int


class PanopticQuality:
    """Counts image after image. Classes go by name; `is_thing` names them all."""

    def __init__(self, is_thing: Mapping[str, bool]) -> None:
        self.is_thing = dict(is_thing)
        self.per_class = {name: ClassQuality() for name in is_thing}

    def add(self, predicted: PanopticSegmentation, truth: PanopticSegmentation) -> None:
        """Count one image. Raises DataError where sizes differ, a map and its segments disagree, or a class is new."""
        if predicted.label_map.shape != truth.label_map.shape:
            raise DataError(
                f"a prediction of size {truth.label_map.shape}", f"{predicted.label_map.shape}", "predict at full size"
            )
        guesses, annotated = self._segments(predicted, "prediction"), self._segments(truth, "annotation")
        overlaps = _overlaps(predicted.label_map, truth.label_map)
        matched_guesses, matched = set(), set()
        for (guess_id, truth_id), shared in overlaps.items():
            guess, wanted = guesses.get(guess_id), annotated.get(truth_id)
            if guess is None or wanted is None or wanted.is_crowd or guess.class_name != wanted.class_name:
                continue
            union = guess.area + wanted.area - shared - overlaps.get((guess_id, 0), 0)
            if shared / union > MATCH:
                self._count(guess.class_name, ClassQuality(tp=1, iou_sum=shared / union))
                matched_guesses.add(guess_id)
                matched.add(truth_id)
        self._count_unmatched(guesses, annotated, overlaps, matched_guesses, matched)

    def merge(self, other: PanopticQuality) -> None:
        """Add the counts of another accumulator over the same classes."""
        for name, quality in other.per_class.items():
            self._count(name, quality)

    def mean(self, things: bool | None = None, names: Collection[str] | None = None) -> MeanQuality:
        """Means over all classes, over things or stuff alone, over some names."""
        found = [
            quality
            for name, quality in self.per_class.items()
            if quality.counted
            and (things is None or self.is_thing[name] is things)
            and (names is None or name in names)
        ]
        n = len(found)
        pq, sq, rq = (sum(getattr(one, key) for one in found) / n if n else None for key in ("pq", "sq", "rq"))
        return MeanQuality(pq, sq, rq, n)

    def _segments(self, result: PanopticSegmentation, what: str) -> dict[int, SegmentInfo]:
        """Segments by id with their areas counted in the map."""
        ids, areas = np.unique(result.label_map, return_counts=True)
        counted = {int(i): int(a) for i, a in zip(ids, areas, strict=True) if i != 0}
        named = {one.id: one for one in result.segments}
        if counted.keys() != named.keys():
            strange = sorted(counted.keys() ^ named.keys())[:5]
            raise DataError(f"the {what}'s map and segments to have the same ids", f"differing {strange}", "repair it")
        unknown = {one.class_name for one in result.segments} - self.per_class.keys()
        if unknown:
            raise DataError(f"classes of the data set in the {what}", ", ".join(sorted(unknown)), "map them first")
        return {
            i: SegmentInfo(i, one.class_name, one.is_thing, counted[i], is_crowd=one.is_crowd)
            for i, one in named.items()
        }

    def _count_unmatched(
        self, guesses: Mapping[int, SegmentInfo], annotated: Mapping[int, SegmentInfo],
        overlaps: Mapping[tuple[int, int], int], matched_guesses: set[int], matched: set[int],
    ) -> None:  # fmt: skip
        crowds: dict[str, int] = {}
        for truth_id, wanted in annotated.items():
            if wanted.is_crowd:
                crowds[wanted.class_name] = truth_id  # the last one stays
            elif truth_id not in matched:
                self._count(wanted.class_name, ClassQuality(fn=1))
        for guess_id, guess in guesses.items():
            if guess_id not in matched_guesses:
                excused = overlaps.get((guess_id, 0), 0)
                if guess.class_name in crowds:
                    excused += overlaps.get((guess_id, crowds[guess.class_name]), 0)
                if excused / guess.area <= MATCH:
                    self._count(guess.class_name, ClassQuality(fp=1))

    def _count(self, name: str, more: ClassQuality) -> None:
        self.per_class[name] = self.per_class[name] + more


def _overlaps(predicted: NDArray[np.int32], truth: NDArray[np.int32]) -> dict[tuple[int, int], int]:
    """Shared pixels of every pair (predicted id, annotated id) that meets, void (0) included."""
    pairs = predicted.astype(np.int64).ravel() << 32 | truth.astype(np.int64).ravel()
    values, counts = np.unique(pairs, return_counts=True)
    return {(int(v) >> 32, int(v) & 0xFFFFFFFF): int(c) for v, c in zip(values, counts, strict=True)}
