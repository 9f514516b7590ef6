"""Mean intersection over union of a semantic map (method.md 5.3).

    IoU_c = pixels of c in both / (pixels of c in the prediction + pixels of c in the truth - pixels of c in both)

counted over all images, on pixels that the truth labels. The mean runs over the classes that occur in the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.shapes import check_shape


@dataclass(frozen=True)
class IoUResult:
    """iou: per class in [0, 1], None where the class is in neither truth nor prediction. miou: over the classes of the
    truth. accuracy: the share of labelled pixels with the right class. Both None where nothing is labelled. annotated:
    per class, whether it is in the truth."""

    iou: tuple[float | None, ...]
    miou: float | None
    accuracy: float | None
    annotated: tuple[bool, ...]

    def mean(self, classes: Sequence[int]) -> float | None:
        """mIoU over some of the classes, those of them that are in the truth; None where none is."""
        found = [value for one in classes if self.annotated[one] and (value := self.iou[one]) is not None]
        return sum(found) / len(found) if found else None


@dataclass(frozen=True)
class Mistake:
    """truth, predicted: two class indices, predicted -1 = void. pixels: how many of the one got the other. share: of
    all pixels of the truth's class, (0, 1]."""

    truth: int
    predicted: int
    pixels: int
    share: float


class ConfusionMatrix:
    """Counts image after image: `counts (c + 1, c + 1) int64`, rows truth, columns prediction, the last = void."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = np.zeros((classes + 1, classes + 1), dtype=np.int64)

    def add(self, predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> None:
        """Count one image: (H, W) class indices, -1 = void. Raises ShapeError."""
        sizes = check_shape("truth", truth, "H W")
        check_shape("predicted", predicted, "H W", sizes)
        n = self.classes + 1
        pairs = (truth.ravel() % n) * n + predicted.ravel() % n  # -1 wraps round to the void row and column
        self.counts += np.bincount(pairs, minlength=n * n).reshape(n, n)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the counts of another matrix over the same classes."""
        self.counts += other.counts

    def mistakes(self, most: int) -> tuple[Mistake, ...]:
        """The pairs that were mixed up most, by pixels; at most `most`."""
        labelled = self.counts[: self.classes].copy()  # (c, c + 1)
        totals = labelled.sum(axis=1)
        np.fill_diagonal(labelled, 0)
        order = np.argsort(-labelled, axis=None, kind="stable")[:most]
        pairs = zip(*(one.tolist() for one in np.unravel_index(order, labelled.shape)), strict=True)
        return tuple(
            Mistake(truth, -1 if guess == self.classes else guess, pixels, pixels / int(totals[truth]))
            for truth, guess in pairs
            if (pixels := int(labelled[truth, guess]))
        )

    def result(self) -> IoUResult:
        """IoU per class and in the mean. A labelled pixel predicted as void is a miss; void truth is not counted."""
        labelled = self.counts[: self.classes]  # (c, c + 1)
        both = np.diagonal(labelled)
        in_truth, in_prediction = labelled.sum(axis=1), labelled[:, : self.classes].sum(axis=0)
        union = in_truth + in_prediction - both
        iou = [float(b / u) if u else None for b, u in zip(both, union, strict=True)]
        present = [value for value, there in zip(iou, in_truth, strict=True) if there and value is not None]
        total = int(labelled.sum())
        miou = float(np.mean(present)) if present else None
        accuracy = float(both.sum() / total) if total else None
        return IoUResult(tuple(iou), miou, accuracy, tuple(bool(there) for there in in_truth))
