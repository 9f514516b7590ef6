"""What an added class did to the others: which pixels flipped, and how the figures of each class changed.

Pure counting over two walks. A class's *regression* is what a limit is held against: where the probe's annotation shows
the class, the percentage points of IoU that it lost (on the semantic map, as `retclip evaluate` counts it); in a probe
without annotation, the share of its pixels that it lost (on the panoptic map, whatever it gained elsewhere).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.errors import Regression
from retclip.store.records import Failure
from retclip.types import PanopticSegmentation
from retclip.workflows.evaluation.evaluation_figures import Evaluation

NAMED = 5  # classes that an error names


@dataclass(frozen=True)
class Figures:
    """A figure of one class before and after, percent; None where the class does not occur, or nothing is annotated."""

    before: float | None = None
    after: float | None = None

    @property
    def change(self) -> float | None:
        """Return percentage points, below 0 = worse."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class ClassChange:
    """One class before and after.

    before, after: its pixels.
    to_new, to_others, to_none: pixels that went to the new class, to other old ones, to no class.
    came: pixels after that were another class's before.
    lost: percent of the pixels before that went.
    iou, pq: on an annotated probe.
    regression: the figure that a limit holds, percentage points; None where nothing can be said.
    """

    name: str
    before: int
    after: int
    to_new: int
    to_others: int
    to_none: int
    came: int
    lost: float | None
    iou: Figures
    pq: Figures
    regression: float | None


@dataclass(frozen=True)
class RegressionReport:
    """The changes of an addition.

    new: the added class.
    classes: the others, the largest regression first.
    flipped: percent of all pixels that changed their class.
    annotated: whether IoU and PQ could be counted.
    limit: percentage points; None = any.
    """

    images: int
    annotated: bool
    limit: float | None
    flipped: float
    new: ClassChange
    classes: tuple[ClassChange, ...]
    failures: tuple[Failure, ...]
    settings: Mapping[str, Any]

    @property
    def worse(self) -> tuple[ClassChange, ...]:
        """Return the classes that lost more than the limit."""
        limit = float("inf") if self.limit is None else self.limit
        return tuple(change for change in self.classes if change.regression is not None and change.regression > limit)

    def error(self, undone: Sequence[int]) -> Regression:
        """Return the error of an addition that was taken back.

        undone: the events of the roll-back.
        """
        worst = [_told(change, self.annotated) for change in self.worse[:NAMED]]
        more = f" and {len(self.worse) - NAMED} more classes" if len(self.worse) > NAMED else ""
        measure = "IoU" if self.annotated else "its pixels"
        return Regression(
            f"no old class to lose more than {self.limit:g} points of {measure}",
            f"{', '.join(worst)}{more} after {self.new.name!r} was added",
            f"it was taken back (event {', '.join(map(str, undone))}): look at the photos of {self.new.name!r} and of "
            "these classes, choose others, or allow more with --max-regression",
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "worse": [change.name for change in self.worse]}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two walks over the same images.

    names: the classes of both walks.
    new: the added class.
    counts: (c + 1, c + 1) pixels by class before (rows) and after (columns), the last = no class.
    walks: the evaluations before and after of an annotated probe, else None.
    shown: the classes that its annotation shows.
    """

    names: Sequence[str]
    new: str
    counts: NDArray[np.int64]
    walks: tuple[Evaluation, Evaluation] | None
    shown: Collection[str]

    def figures(self, name: str, key: str) -> Figures:
        """Return one figure of a class, before and after."""
        if self.walks is None or name not in self.shown:
            return Figures()
        before, after = (walk.per_class[name][key] for walk in self.walks)
        return Figures(before, after)


def class_map(segmentation: PanopticSegmentation) -> NDArray[np.int64]:
    """Return (H, W) int64, each pixel's class index in the vocabulary, -1 = none."""
    lookup = np.full(max((segment.id for segment in segmentation.segments), default=0) + 1, -1, dtype=np.int64)
    for segment in segmentation.segments:
        lookup[segment.id] = segment.class_index
    return lookup[segmentation.label_map]


def regression_report(
    compared: Comparison, images: int, limit: float | None, failures: tuple[Failure, ...], settings: Mapping[str, Any]
) -> RegressionReport:
    """Return the figures of every class, the largest regression first."""
    changes = [_change(compared, index) for index in range(len(compared.names))]
    old_changes = [change for change in changes if change.name != compared.new]
    old_changes.sort(key=lambda change: (-(change.regression if change.regression is not None else -1e9), change.name))
    total = int(compared.counts.sum())
    flipped = 100 * (1 - int(np.trace(compared.counts)) / total) if total else 0.0
    added_change = next(change for change in changes if change.name == compared.new)
    annotated = compared.walks is not None
    return RegressionReport(images, annotated, limit, flipped, added_change, tuple(old_changes), failures, settings)


def _change(compared: Comparison, index: int) -> ClassChange:
    name, added = compared.names[index], list(compared.names).index(compared.new)
    row, before, after = compared.counts[index], int(compared.counts[index].sum()), int(compared.counts[:, index].sum())
    unchanged, to_none = int(row[index]), int(row[-1])
    to_new = 0 if index == added else int(row[added])
    lost = 100 * (before - unchanged) / before if before else None
    iou, pq = compared.figures(name, "iou"), compared.figures(name, "pq")
    worse = lost if compared.walks is None else None if iou.change is None else -iou.change
    rest = before - unchanged - to_none - to_new
    return ClassChange(name, before, after, to_new, rest, to_none, after - unchanged, lost, iou, pq, worse)


def _told(change: ClassChange, annotated: bool) -> str:
    if annotated:
        return (
            f"{change.name} {-(change.regression or 0.0):+.1f} (IoU {change.iou.before:.1f} -> {change.iou.after:.1f})"
        )
    return (
        f"{change.name} {-(change.regression or 0.0):+.1f} ({change.to_new} of {change.before} pixels to the new class)"
    )
