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
        name: tuple(
            difference(key, [figures_of(sums, members)[key] for sums in once], drawn[name], 0, whole=True)
            for key in FIGURES
        )
        for name, members in groups.items()
    }


def difference(
    figure: str, once: Sequence[NDArray[np.float64]], drawn: Sequence[Sequence[Mapping[str, NDArray[np.float64]]]],
    index: int, whole: bool = False,
) -> Difference:  # fmt: skip
    """Return the difference of a figure, from the figures of all images and those of each drawing.

    once, drawn: of the first and of the second system; image_table.figures_of, or class_figures.
    index: of the class.
    whole: whether the figures are means over the classes.
    """
    columns = [
        np.concatenate([part[figure] if whole else part[figure][:, index] for part in side] or [np.full(1, np.nan)])
        for side in drawn
    ]
    ends = percentile_interval(columns[1] - columns[0])
    low, high = (None, None) if ends is None else (100 * ends[0], 100 * ends[1])
    first, second = (None if math.isnan(values[0]) else 100 * float(values[0]) for values in once)
    return Difference(figure, first, second, low, high)
