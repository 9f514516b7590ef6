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
    """Of one class before and after, in percent; None where it does not occur, or nothing is annotated."""

    before: float | None = None
    after: float | None = None

    @property
    def change(self) -> float | None:
        """Percentage points, below 0 = worse."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class ClassChange:
    """One class before and after. before, after: its pixels. to_new, to_others, to_none: how many of those before went
    to the new class, to other old ones, to no class at all. came: pixels it has after and had not before. lost: percent
    of those before that went. regression: what a limit is held against, None where nothing can be said."""

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
    """new: the added class. classes: the others, the largest regression first. flipped: percent of all pixels that
    changed their class. annotated: whether IoU and PQ could be counted. limit: percentage points, None = any."""

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
        """The classes that lost more than the limit."""
        limit = float("inf") if self.limit is None else self.limit
        return tuple(one for one in self.classes if one.regression is not None and one.regression > limit)

    def error(self, undone: Sequence[int]) -> Regression:
        """What is told of an addition that was taken back. undone: the events of that."""
        worst = [_told(one, self.annotated) for one in self.worse[:NAMED]]
        more = f" and {len(self.worse) - NAMED} more classes" if len(self.worse) > NAMED else ""
        what = "IoU" if self.annotated else "its pixels"
        return Regression(
            f"no old class to lose more than {self.limit:g} points of {what}",
            f"{', '.join(worst)}{more} after {self.new.name!r} was added",
            f"it was taken back (event {', '.join(map(str, undone))}): look at the photos of {self.new.name!r} and of "
            "these classes, choose others, or allow more with --max-regression",
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "worse": [one.name for one in self.worse]}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two walks over the same images.

    names: the classes that were asked for; new: the added one.
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
        """One figure of a class, before and after."""
        if self.walks is None or name not in self.shown:
            return Figures()
        before, after = (walk.per_class[name][key] for walk in self.walks)
        return Figures(before, after)


def class_map(found: PanopticSegmentation) -> NDArray[np.int64]:
    """(H, W) index in the vocabulary of each pixel's class, -1 = none."""
    lookup = np.full(max((one.id for one in found.segments), default=0) + 1, -1, dtype=np.int64)
    for one in found.segments:
        lookup[one.id] = one.class_index
    return lookup[found.label_map]


def regression_report(
    compared: Comparison, images: int, limit: float | None, failures: tuple[Failure, ...], settings: Mapping[str, Any]
) -> RegressionReport:
    """The figures of every class, the largest regression first."""
    changes = [_change(compared, index) for index in range(len(compared.names))]
    others = [change for change in changes if change.name != compared.new]
    others.sort(key=lambda one: (-(one.regression if one.regression is not None else -1e9), one.name))
    total = int(compared.counts.sum())
    flipped = 100 * (1 - int(np.trace(compared.counts)) / total) if total else 0.0
    mine = next(change for change in changes if change.name == compared.new)
    annotated = compared.walks is not None
    return RegressionReport(images, annotated, limit, flipped, mine, tuple(others), failures, settings)


def _change(compared: Comparison, index: int) -> ClassChange:
    name, added = compared.names[index], list(compared.names).index(compared.new)
    row, before, after = compared.counts[index], int(compared.counts[index].sum()), int(compared.counts[:, index].sum())
    kept, to_none = int(row[index]), int(row[-1])
    to_new = 0 if index == added else int(row[added])
    lost = 100 * (before - kept) / before if before else None
    iou, pq = compared.figures(name, "iou"), compared.figures(name, "pq")
    worse = lost if compared.walks is None else None if iou.change is None else -iou.change
    rest = before - kept - to_none - to_new
    return ClassChange(name, before, after, to_new, rest, to_none, after - kept, lost, iou, pq, worse)


def _told(one: ClassChange, annotated: bool) -> str:
    if annotated:
        return f"{one.name} {-(one.regression or 0.0):+.1f} (IoU {one.iou.before:.1f} -> {one.iou.after:.1f})"
    return f"{one.name} {-(one.regression or 0.0):+.1f} ({one.to_new} of {one.before} pixels to the new class)"
