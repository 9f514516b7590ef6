"""Mean intersection over union of a semantic map (method.md 5.3).

    IoU_c = pixels of c in both / (pixels of c in the prediction + pixels of c in the truth - pixels of c in both)

counted over all images, on pixels that the truth labels. The mean runs over the classes that occur in the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.shapes import check_shape


@dataclass(frozen=True)
class IoUResult:
    """Intersection over union of c classes.

    iou: (c,) in [0, 1], None where a class is in neither truth nor prediction.
    miou: in [0, 1], the mean over the classes of the truth; None where no pixel is labelled.
    accuracy: in [0, 1], the share of labelled pixels with the right class; None where no pixel is labelled.
    annotated: (c,) whether a class is in the truth.
    """

    iou: tuple[float | None, ...]
    miou: float | None
    accuracy: float | None
    annotated: tuple[bool, ...]

    def mean(self, classes: Sequence[int]) -> float | None:
        """Return the mean IoU over those of the given class indices that are in the truth; None where none is."""
        ious = [value for index in classes if self.annotated[index] and (value := self.iou[index]) is not None]
        return sum(ious) / len(ious) if ious else None


@dataclass(frozen=True)
class Mistake:
    """A pair of classes that the prediction confuses.

    truth: class index.
    predicted: class index, -1 = void.
    pixels: pixels of class `truth` that are predicted as `predicted`.
    share: of all pixels of class `truth`, in (0, 1].
    """

    truth: int
    predicted: int
    pixels: int
    share: float


class ConfusionMatrix:
    """Confusion matrix over images: `counts (c + 1, c + 1) int64`, rows truth, columns prediction, the last void."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = np.zeros((classes + 1, classes + 1), dtype=np.int64)

    def add(self, predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> None:
        """Add the pixels of one image.

        predicted, truth: (H, W) class indices, -1 = void.
        Raises ShapeError where the two differ in shape.
        """
        self.include(self.compared(predicted, truth))

    def compared(self, predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
        """Return the (annotated class, predicted class, pixels) of one image, c = void; nothing is added. See `add`."""
        sizes = check_shape("truth", truth, "H W")
        check_shape("predicted", predicted, "H W", sizes)
        n = self.classes + 1
        pairs = (truth.ravel() % n) * n + predicted.ravel() % n  # (H * W,); -1 wraps round to the void row and column
        pixels = np.bincount(pairs)
        return tuple((int(pair) // n, int(pair) % n, int(pixels[pair])) for pair in pixels.nonzero()[0])

    def include(self, pairs: Iterable[tuple[int, int, int]]) -> None:
        """Add one image that `compared` counted."""
        for truth, predicted, pixels in pairs:
            self.counts[truth, predicted] += pixels

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the counts of another matrix over the same classes."""
        self.counts += other.counts

    def mistakes(self, most: int) -> tuple[Mistake, ...]:
        """Return the pairs with the most confused pixels, at most `most` pairs."""
        labelled = self.counts[: self.classes].copy()  # (c, c + 1)
        totals = labelled.sum(axis=1)
        np.fill_diagonal(labelled, 0)
        order = np.argsort(-labelled, axis=None, kind="stable")[:most]
        pairs = zip(*(indices.tolist() for indices in np.unravel_index(order, labelled.shape)), strict=True)
        return tuple(
            Mistake(truth, -1 if predicted == self.classes else predicted, pixels, pixels / int(totals[truth]))
            for truth, predicted in pairs
            if (pixels := int(labelled[truth, predicted]))
        )

    def result(self) -> IoUResult:
        """Return IoU and accuracy. A labelled pixel predicted as void is a miss; void in the truth is ignored."""
        labelled = self.counts[: self.classes]  # (c, c + 1)
        intersection = np.diagonal(labelled)  # (c,)
        in_truth, in_prediction = labelled.sum(axis=1), labelled[:, : self.classes].sum(axis=0)  # (c,), (c,)
        union = in_truth + in_prediction - intersection  # (c,)
        iou = [float(i / u) if u else None for i, u in zip(intersection, union, strict=True)]
        present = [value for value, pixels in zip(iou, in_truth, strict=True) if pixels and value is not None]
        total = int(labelled.sum())
        miou = float(np.mean(present)) if present else None
        accuracy = float(intersection.sum() / total) if total else None
        return IoUResult(tuple(iou), miou, accuracy, tuple(bool(pixels) for pixels in in_truth))
