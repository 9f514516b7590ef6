"""The counts of every image by class, in a few numbers each, from which bootstrap drawings are computed.

A drawing weights the images; its sums by class give every figure, as the sums over all images give the reported one.
AP has no interval: its matches are sorted over all images anew for each drawing.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from retclip.algorithms.bootstrap import drawings, percentile_interval
from retclip.algorithms.boundary_iou import boundary_iou
from retclip.algorithms.frequency_weighted_iou import frequency_weighted_iou
from retclip.workflows.evaluation.image_counts import ImageCounts

COLUMNS = ("tp", "fp", "fn", "iou_sum", "both", "truth", "predicted", "edge_both", "edge_truth", "edge_predicted")
FIGURES = ("pq", "sq", "rq", "miou", "fwiou", "boundary_iou", "pixel_accuracy")
COUNTED_SEGMENTS = ("pq", "sq", "rq")  # those that a class of unknown kind leaves without a mean
Figures = Mapping[str, NDArray[np.float64]]


class ImageTable:
    """The counts of the images, a row of COLUMNS for each class in each image. classes: c."""

    def __init__(self, classes: int) -> None:
        self.classes, self.names = classes, list[str]()
        self._image, self._class = array("q"), array("q")
        self._values = [array("d") for _ in COLUMNS]
        self._called = array("q")  # image, annotated class, class that it is called, segments; and so on

    def add(self, counts: ImageCounts) -> None:
        """Add an image."""
        for index, values in class_rows(counts, self.classes).items():
            self._image.append(len(self.names))
            self._class.append(index)
            for column, value in zip(self._values, values, strict=True):
                column.append(value)
        for pair in counts.called:
            self._called.extend((len(self.names), *pair))
        self.names.append(counts.name)

    def sums(self, weights: NDArray[np.float64] | None = None) -> dict[str, NDArray[np.float64]]:
        """Return COLUMNS -> (b, c), summed over the images.

        weights: (b, images) of each image; None = each once, b = 1.
        """
        images = len(self.names)
        drawn = np.ones((1, images)) if weights is None else weights
        places = np.array(self._image), np.array(self._class)
        return {
            name: np.asarray(drawn @ csr_array((np.array(values), places), shape=(images, self.classes)))
            for name, values in zip(COLUMNS, self._values, strict=True)
        }

    def called(self) -> NDArray[np.int64]:
        """Return (r, 4): image, annotated class, class that it is called (c = none), segments."""
        return np.array(self._called, dtype=np.int64).reshape(-1, 4)

    def drawn(self, count: int, seed: int) -> Iterator[dict[str, NDArray[np.float64]]]:
        """Yield the sums of bootstrap drawings, some at a time."""
        return (self.sums(weights) for weights in drawings(len(self.names), count, seed))


def class_rows(counts: ImageCounts, classes: int) -> dict[int, list[float]]:
    """Return of each class that occurs in an image its COLUMNS. classes: c, as many as there are in all."""
    rows: dict[int, list[float]] = {}
    for index, *quality in counts.quality:
        rows.setdefault(index, [0.0] * len(COLUMNS))[:4] = quality
    for annotated, predicted, pixels in counts.confusion:
        if annotated < classes:  # void of the truth counts nowhere
            row = rows.setdefault(annotated, [0.0] * len(COLUMNS))
            row[5] += pixels
            row[4] += pixels if annotated == predicted else 0
            if predicted < classes:
                rows.setdefault(predicted, [0.0] * len(COLUMNS))[6] += pixels
    for index, *edges in counts.boundary:
        rows.setdefault(index, [0.0] * len(COLUMNS))[7:] = edges
    return rows


def figures_of(
    sums: Mapping[str, NDArray[np.float64]], members: Collection[int] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return FIGURES -> (b,) in [0, 1], means over the classes that occur, nan where none does.

    sums: COLUMNS -> (b, c).
    members: only these classes; None = all.
    """
    if members is not None:
        chosen = sorted(members)
        sums = {name: values[:, chosen] for name, values in sums.items()}
    classes = class_figures(sums)
    edges = boundary_iou(sums["edge_both"], sums["edge_truth"], sums["edge_predicted"])
    labelled = sums["truth"].sum(axis=1)
    return {
        **{name: mean_of_numbers(classes[name]) for name in ("pq", "sq", "rq")},
        "miou": mean_of_numbers(np.where(sums["truth"] > 0, classes["iou"], np.nan)),
        "fwiou": frequency_weighted_iou(sums["both"], sums["truth"], sums["predicted"]),
        "boundary_iou": mean_of_numbers(edges),
        "pixel_accuracy": _ratio(sums["both"].sum(axis=1), labelled),
    }


def class_figures(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return pq, sq, rq, iou and boundary_iou -> (b, c) in [0, 1], nan where a class does not occur."""
    union = sums["truth"] + sums["predicted"] - sums["both"]
    return {
        **quality_of_classes(sums),
        "iou": _ratio(sums["both"], union),
        "boundary_iou": boundary_iou(sums["edge_both"], sums["edge_truth"], sums["edge_predicted"]),
    }


def quality_of_classes(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return pq, sq and rq -> (b, c) in [0, 1], nan where a class does not occur."""
    tp, segments = sums["tp"], sums["tp"] + 0.5 * sums["fp"] + 0.5 * sums["fn"]
    quality = np.divide(sums["iou_sum"], tp, out=np.zeros_like(tp), where=tp > 0)
    return {
        "pq": _ratio(sums["iou_sum"], segments),
        "sq": np.where(segments > 0, quality, np.nan),
        "rq": _ratio(tp, segments),
    }


def intervals(
    table: ImageTable, groups: Mapping[str, Collection[int] | None], count: int, seed: int
) -> dict[str, dict[str, tuple[float, float] | None]]:
    """Return the interval of each figure of each group, in [0, 1]; None where no drawing has the figure.

    groups: name -> class indices, None = all.
    count: drawings; seed: of them.
    """
    drawn: dict[str, list[Figures]] = {name: [] for name in groups}
    for sums in table.drawn(count, seed):
        for name, members in groups.items():
            drawn[name].append(figures_of(sums, members))
    return {
        name: {key: percentile_interval(np.concatenate([part[key] for part in parts])) for key in FIGURES if parts}
        for name, parts in drawn.items()
    }


def mean_of_numbers(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (b,) the mean over the classes that have a number. values: (b, c), nan = none."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    answer = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=answer, where=denominator > 0)
    return answer
