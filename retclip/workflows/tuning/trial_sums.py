"""The counts of many trials, added up over the photos: those of panoptic quality alone, or all that `evaluate` has.

    table    PQ, SQ, RQ of all trials at once, from tables of pixels (`algorithms.merge_tables`)
    map      everything but AP, a trial at a time, by the functions that `evaluate` counts with

Both decide with the functions of `segment`. The table counts what the map would: it asks for masks that are no tree and
no patches, no void islands that are closed, and a map as large as the photo; elsewhere the map is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.table_quality import QualityCounts
from retclip.workflows.evaluation.class_groups import GROUPS, class_groups
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.evaluation.image_table import (
    COLUMNS,
    class_rows,
    figures_of,
    mean_of_numbers,
    quality_of_classes,
)

QUALITY = ("pq", "sq", "rq")  # what tables of pixels are enough for
PIXELS = ("miou", "fwiou", "boundary_iou", "pixel_accuracy")
PARTS = {"pq_things": True, "pq_stuff": False}
FIGURES = (
    *QUALITY, *PARTS, *PIXELS, *(f"{group}.{key}" for group in GROUPS for key in (*QUALITY, *PIXELS[:3])),
)  # fmt: skip


class TrialSums:
    """Sums over the photos, (trials, classes) of each of `COLUMNS`.

    counters: of the classes; groups: (c,) which count as seen, None = nobody says.
    pixels: whether all figures are wanted; False = panoptic quality alone.
    """

    def __init__(self, trials: int, counters: Counters, groups: Sequence[bool] | None, pixels: bool) -> None:
        self.counters, self.groups, self.pixels = counters, groups, pixels
        self._sums = {name: np.zeros((trials, len(counters.names))) for name in COLUMNS}

    def add(self, places: NDArray[np.int64], counts: QualityCounts | ImageCounts) -> None:
        """Add a photo. places: the trials that the rows of the counts are of, or that all have these, each once."""
        if isinstance(counts, QualityCounts):
            for name in ("tp", "fp", "fn", "iou_sum"):
                self._sums[name][places] += getattr(counts, name)
            return
        for index, values in class_rows(counts, len(self.counters.names)).items():
            for name, number in zip(COLUMNS, values, strict=True):
                self._sums[name][places, index] += number

    def figures(self) -> list[dict[str, float | None]]:
        """Return the figures of each trial in percent, by their names in `FIGURES`; None where nothing occurs, or a
        class is of unknown kind; pixels' figures where they were counted.
        """
        columns: dict[str, NDArray[np.float64]] = {}
        for prefix, members in self._members().items():
            columns |= {f"{prefix}{key}": of_all for key, of_all in self._of(members).items()}
        for name, countable in PARTS.items():
            members = [index for index, kind in enumerate(self.counters.is_thing) if kind is countable]
            columns[name] = self._of(members)["pq"]
        names = [name for name in FIGURES if name in columns]
        rows = zip(*(columns[name].tolist() for name in names), strict=True)
        return [{name: _percent(number) for name, number in zip(names, row, strict=True)} for row in rows]

    def _members(self) -> dict[str, list[int] | None]:
        return {"": None, **{f"{group}.": members for group, members in class_groups(self.groups).items()}}

    def _of(self, members: Collection[int] | None) -> Mapping[str, NDArray[np.float64]]:
        chosen = {
            name: values if members is None else values[:, sorted(members)] for name, values in self._sums.items()
        }
        names = self.counters.names if members is None else [self.counters.names[index] for index in members]
        quality = {name: mean_of_numbers(rows) for name, rows in quality_of_classes(chosen).items()}
        if not self.counters.unknown_kind.isdisjoint(names):
            quality = {name: np.full_like(rows, np.nan) for name, rows in quality.items()}
        if not self.pixels:
            return quality
        pixels = figures_of(chosen)
        return {**quality, **{name: pixels[name] for name in PIXELS}}


def _percent(number: float) -> float | None:
    return None if np.isnan(number) else 100 * number
