"""The difference of a figure between two systems on the same images, with the interval of a paired bootstrap."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.bootstrap import drawings, percentile_interval
from retclip.workflows.evaluation.image_table import FIGURES, Figures, ImageTable, figures_of

NOTHING = np.full(1, np.nan)  # in the place of figures of no drawing


@dataclass(frozen=True)
class Difference:
    """A figure of two evaluations, percent; change and interval in percentage points, above 0 = the second is better.

    low, high: the ends of the interval; None where no drawing has the figure in both.
    """

    figure: str
    first: float | None
    second: float | None
    low: float | None
    high: float | None

    @property
    def change(self) -> float | None:
        """Percentage points; None where one of the two is not there."""
        return None if self.first is None or self.second is None else self.second - self.first

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval holds no 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def said(self) -> str:
        """The change in words: +1.2 (+0.4..+2.0); - where there is none."""
        ends = "" if self.low is None or self.high is None else f" ({self.low:+.1f}..{self.high:+.1f})"
        return "-" if self.change is None else f"{self.change:+.1f}{ends}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "change": self.change, "beyond_noise": self.beyond_noise}


def paired_differences(
    first: ImageTable, second: ImageTable, groups: Mapping[str, Collection[int] | None], count: int, seed: int
) -> dict[str, tuple[Difference, ...]]:
    """Return the differences of FIGURES of each group of classes.

    first, second: of the same images in the same order.
    groups: name -> class indices, None = all.
    count: drawings; seed: of them.
    """
    once = [table.sums() for table in (first, second)]
    drawn: dict[str, list[list[Figures]]] = {name: [[], []] for name in groups}
    for weights in drawings(len(first.names), count, seed):
        for side, table in enumerate((first, second)):
            sums = table.sums(weights)
            for name, members in groups.items():
                drawn[name][side].append(figures_of(sums, members))
    return {
        name: differences([figures_of(sums, members) for sums in once], drawn[name], FIGURES)
        for name, members in groups.items()
    }


def differences(
    once: Sequence[Figures], drawn: Sequence[Sequence[Figures]], figures: Sequence[str], column: int | None = None
) -> tuple[Difference, ...]:
    """Return the differences of some figures, from those of all images and those of each drawing.

    once, drawn: of the first and of the second system; image_table.figures_of, or class_figures.
    column: the class; None = the figures are means over the classes.
    """
    rows = []
    for figure in figures:
        first, second = (_percent(_column(of_system[figure], column)[0]) for of_system in once)
        columns = [np.concatenate([_column(part[figure], column) for part in side] or [NOTHING]) for side in drawn]
        ends = percentile_interval(columns[1] - columns[0])
        low, high = (None, None) if ends is None else (100 * ends[0], 100 * ends[1])
        rows.append(Difference(figure, first, second, low, high))
    return tuple(rows)


def _percent(value: float) -> float | None:
    return None if math.isnan(value) else 100 * float(value)


def _column(values: NDArray[np.float64], column: int | None) -> NDArray[np.float64]:
    return values if column is None else values[:, column]
