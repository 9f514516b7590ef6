"""The accumulators of an evaluation: panoptic quality, the confusion matrix, average precision, and segment accuracy.

PQ is counted on the panoptic map. mIoU and confusion are counted on the semantic map (class scores times soft masks, no
threshold), as FC-CLIP reports it. AP is counted on the instances, which may overlap, as may the annotation's own masks.
`right` of `judged`: annotated segments most of whose labelled pixels have the right class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.average_precision import AveragePrecision, Instance
from retclip.algorithms.mean_iou import ConfusionMatrix
from retclip.algorithms.panoptic_quality import PanopticQuality
from retclip.names import name_key
from retclip.types import PanopticSegmentation
from retclip.workflows.evaluation.instances import Annotated


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction for one image.

    semantic: (H, W) int64 class index, -1 = none.
    instances: of things, best first.
    """

    panoptic: PanopticSegmentation
    semantic: NDArray[np.int64]
    instances: Sequence[Instance]


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
        self.right = self.judged = self.images = 0
        self.no_precision = ""  # why AP is not counted

    def add(self, prediction: Prediction, truth: PanopticSegmentation, annotated: Annotated) -> float | None:
        """Add one image, and return the share of its labelled pixels with the right class in [0, 1], None without any.

        annotated: its annotated things.
        Raises DataError where prediction and annotation do not fit.
        """
        self.quality.add(prediction.panoptic, truth)
        self.precision.add(prediction.instances, annotated.instances, annotated.absent, annotated.incomplete)
        self.no_precision = self.no_precision or annotated.uncounted
        classes = self._class_map(truth)  # (H, W)
        self.confusion.add(prediction.semantic, classes)
        self._judge(prediction.semantic, truth)
        self.images += 1
        labelled = classes >= 0
        return float((prediction.semantic == classes)[labelled].mean()) if labelled.any() else None

    def _class_map(self, truth: PanopticSegmentation) -> NDArray[np.int64]:
        """Return (H, W), the class index of every annotated pixel, -1 for void."""
        ids = np.array([0, *(segment.id for segment in truth.segments)])
        values = np.array([-1, *(self.index.get(name_key(segment.class_name), -1) for segment in truth.segments)])
        order = np.argsort(ids)
        class_map: NDArray[np.int64] = values[order][np.searchsorted(ids[order], truth.label_map)]
        return class_map

    def _judge(self, semantic: NDArray[np.int64], truth: PanopticSegmentation) -> None:
        for segment in truth.segments:
            index = self.index.get(name_key(segment.class_name))
            if index is None or segment.is_crowd:
                continue
            votes = np.bincount(semantic[truth.label_map == segment.id] + 1, minlength=len(self.names) + 1)
            self.right += int(votes.argmax() == index + 1)
            self.judged += 1
