"""The accumulators of an evaluation: panoptic quality, confusion matrix, boundaries, average precision, calibration,
and segment accuracy.

PQ and calibration are counted on the panoptic map. mIoU, boundary IoU and confusion are counted on the semantic map
(class scores times soft masks, no threshold), as FC-CLIP reports it; of stored predictions on the panoptic map, which
is all they have. AP is counted on the instances, which may overlap, as may the annotation's own masks. `right` of
`judged`: annotated segments most of whose labelled pixels have the right class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.average_precision import AveragePrecision, Instance
from retclip.algorithms.boundary_iou import boundary_counts
from retclip.algorithms.calibration import BINS, Calibration, binned
from retclip.algorithms.mean_iou import ConfusionMatrix
from retclip.algorithms.panoptic_matching import Labelled, Matching, labelled, match_segments
from retclip.algorithms.panoptic_quality import ClassQuality, PanopticQuality
from retclip.names import name_key
from retclip.types import PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.evaluation.image_table import ImageTable
from retclip.workflows.evaluation.instances import Annotated


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one image.

    semantic: (H, W) int64 class index, -1 = none; None = that of the panoptic map.
    instances: of things, best first; None where there are none to count.
    scored: whether its segments have scores.
    """

    panoptic: PanopticSegmentation | Labelled
    semantic: NDArray[np.int64] | None
    instances: Sequence[Instance] | None
    scored: bool = True


class Counters:
    """The counts over all images.

    names: c, the classes of the annotation.
    kinds: (c,) whether each is a thing; None where nobody says it, then its segments count as things and in no PQ.
    """

    def __init__(self, names: tuple[str, ...], kinds: tuple[bool | None, ...]) -> None:
        self.names, self.is_thing = names, tuple(kind is not False for kind in kinds)
        self.unknown_kind = frozenset(name for name, kind in zip(names, kinds, strict=True) if kind is None)
        self.index = {name_key(name): number for number, name in enumerate(names)}
        self.quality = PanopticQuality(dict(zip(names, self.is_thing, strict=True)))
        self.confusion = ConfusionMatrix(len(names))
        self.precision = AveragePrecision(len(names))
        self.calibration = Calibration()
        self.table = ImageTable(len(names))
        self.right = self.judged = self.images = 0
        self.no_precision = ""  # why AP is not counted

    def add(self, prediction: Prediction, truth: PanopticSegmentation, annotated: Annotated) -> float | None:
        """Add one image, and return the share of its labelled pixels with the right class in [0, 1], None without any.

        annotated: its annotated things.
        Raises DataError where prediction and annotation do not fit.
        """
        counts = self.counted(prediction, truth, annotated, self.images)
        self.include(counts)
        return counts.accuracy

    def counted(
        self, prediction: Prediction, truth: PanopticSegmentation | Labelled, annotated: Annotated, number: int,
        name: str = "",
    ) -> ImageCounts:  # fmt: skip
        """Return the counts of one image; nothing is added.

        number, name: of the image in its source.
        Raises DataError where prediction and annotation do not fit.
        """
        predicted, true = (
            part if isinstance(part, Labelled) else labelled(part) for part in (prediction.panoptic, truth)
        )
        matching = match_segments(predicted, true, self.quality.per_class.keys())
        precision = None if prediction.instances is None else self.precision.compared(
            prediction.instances, annotated.instances, annotated.absent, annotated.incomplete
        )  # fmt: skip
        classes = self._class_map(true)  # (H, W)
        semantic = self._class_map(predicted) if prediction.semantic is None else prediction.semantic
        confusion = self.confusion.compared(semantic, classes)
        boundary = boundary_counts(semantic, classes, len(self.names))
        shown = (boundary.truth + boundary.predicted).nonzero()[0].tolist()
        called = self._called(semantic, true)
        annotated_pixels = sum(pixels for row, _, pixels in confusion if row < len(self.names))
        hits = sum(pixels for row, column, pixels in confusion if row == column < len(self.names))
        return ImageCounts(
            number,
            name,
            self._quality(matching),
            confusion,
            [(i, int(boundary.intersection[i]), int(boundary.truth[i]), int(boundary.predicted[i])) for i in shown],
            _calibration(matching) if prediction.scored else (),
            precision,
            sum(segments for index, name, segments in called if index == name),
            sum(segments for _, _, segments in called),
            hits / annotated_pixels if annotated_pixels else None,
            annotated.uncounted,
            called=called,
        )

    def include(self, counts: ImageCounts) -> None:
        """Add the counts of one image."""
        for index, tp, fp, fn, iou_sum in counts.quality:
            self.quality.per_class[self.names[index]] += ClassQuality(tp, fp, fn, iou_sum)
        self.confusion.include(counts.confusion)
        for place, segments, scores, right in counts.calibration:
            self.calibration.counts[place] += segments, scores, right
        if counts.precision is not None:
            self.precision.include(counts.precision)
        self.no_precision = self.no_precision or counts.no_precision
        self.right, self.judged, self.images = self.right + counts.right, self.judged + counts.judged, self.images + 1
        self.table.add(counts)

    def decided(self, members: Collection[int] | None = None) -> bool:
        """Tell whether it is known of each class whether it is a thing. members: only of these; None = of all."""
        names = self.names if members is None else [self.names[index] for index in members]
        return self.unknown_kind.isdisjoint(names)

    def _quality(self, matching: Matching) -> list[tuple[int, int, int, int, float]]:
        qualities = PanopticQuality(self.quality.is_thing)
        qualities.include(matching)
        return [
            (index, quality.tp, quality.fp, quality.fn, quality.iou_sum)
            for index, quality in zip(count(), qualities.per_class.values(), strict=False)
            if quality.counted
        ]

    def _class_map(self, result: Labelled) -> NDArray[np.int64]:
        """Return (H, W), the class index of every pixel, -1 for void."""
        return result.runs.replaced({segment.id: self._class_of(segment) for segment in result.segments}, -1)

    def _class_of(self, segment: SegmentInfo) -> int:
        return self.index.get(name_key(segment.class_name), -1)

    def _called(self, semantic: NDArray[np.int64], truth: Labelled) -> list[tuple[int, int, int]]:
        """Return (annotated class, class that most pixels have, segments) of the annotated segments; c = none."""
        segments = [segment for segment in truth.segments if not segment.is_crowd and self._class_of(segment) >= 0]
        rows = truth.runs.replaced({segment.id: row for row, segment in enumerate(segments)}, -1)  # (H, W)
        columns = len(self.names) + 1
        pairs = (rows * columns + semantic + 1)[rows >= 0]
        votes = np.bincount(pairs, minlength=len(segments) * columns).reshape(len(segments), columns)
        most = votes.argmax(axis=1) if segments else np.zeros(0, dtype=np.int64)
        names = np.where(most == 0, len(self.names), most - 1).tolist()
        called = Counter(zip(map(self._class_of, segments), names, strict=True))
        return [(annotated, name, number) for (annotated, name), number in sorted(called.items())]


def _calibration(matching: Matching) -> list[tuple[int, int, float, int]]:
    """Return the bins of the scores of true and false positives."""
    right = [match.predicted.score for match in matching.true_positives]
    wrong = [segment.score for segment in matching.false_positives]
    table = binned([*right, *wrong], [True] * len(right) + [False] * len(wrong), BINS)
    return [(place, int(n), total, int(hits)) for place, (n, total, hits) in enumerate(table.tolist()) if n]
