"""What differs between two evaluations of the same images, and whether it is more than noise: a paired bootstrap.

Each drawing of images gives a figure of both systems, and their difference; where the interval of the differences holds
no 0 the difference is more than the choice of the images explains. Of a hundred classes without any difference about
five will seem to differ at 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retclip.algorithms.bootstrap import drawings
from retclip.errors import DataError
from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.evaluation.image_table import FIGURES, Figures, ImageTable, class_figures, figures_of
from retclip.workflows.evaluation.paired_differences import Difference, differences
from retclip.workflows.evaluation.run_folder import RunFolder

OF_CLASS = ("pq", "iou", "boundary_iou")


@dataclass(frozen=True)
class EvaluationDifference:
    """The differences of two evaluations.

    images: those that both counted; only_first, only_second: those that one of them did, which are left out.
    whole: over all classes. classes: name -> its figures.
    """

    images: int
    only_first: int
    only_second: int
    bootstrap: Bootstrap
    whole: tuple[Difference, ...]
    classes: Mapping[str, tuple[Difference, ...]]

    def __repr__(self) -> str:
        told = ", ".join(f"{row.figure} {row.said}" for row in self.whole if row.figure in ("pq", "miou"))
        return f"<{type(self).__name__} over {self.images} images: {told}; {self.beyond_noise} of classes beyond noise>"

    @property
    def beyond_noise(self) -> int:
        """How many figures of classes change by more than noise."""
        return sum(row.beyond_noise for rows in self.classes.values() for row in rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        classes = {name: [row.as_dict() for row in rows] for name, rows in self.classes.items()}
        values = {key: getattr(self, key) for key in ("images", "only_first", "only_second")}
        return {**values, "bootstrap": asdict(self.bootstrap), "all": [row.as_dict() for row in self.whole],
                "classes": classes}  # fmt: skip


def evaluation_difference(
    first: RunFolder, second: RunFolder, bootstrap: Bootstrap = Bootstrap()
) -> EvaluationDifference:
    """Compare the figures over the images that both have, by name.

    Raises DataError where the two have other classes, or no image in common.
    """
    names = first.configuration.names
    if names != second.configuration.names:
        got = f"{len(names)} in {first.folder}, {len(second.configuration.names)} others in {second.folder}"
        raise DataError("evaluations of the same classes", got, "evaluate both on one source")
    images_of = [{counts.name for counts in run.counts()} for run in (first, second)]
    common = images_of[0] & images_of[1]
    if not common:
        got = f"none of {len(images_of[0])} in {first.folder} is in {second.folder}"
        raise DataError("evaluations of the same images", got, "evaluate both on one source")
    tables = [_table(run, common) for run in (first, second)]
    once = [table.sums() for table in tables]
    drawn: list[list[Figures]] = [[], []]
    of_class: list[list[Figures]] = [[], []]
    for weights in drawings(len(common), bootstrap.drawings, bootstrap.seed):
        for side, table in enumerate(tables):
            sums = table.sums(weights)
            drawn[side].append(figures_of(sums))
            of_class[side].append(class_figures(sums))
    rows = differences([figures_of(sums) for sums in once], drawn, FIGURES)
    single = [class_figures(sums) for sums in once]
    classes = {
        name: differences(single, of_class, OF_CLASS, index)
        for index, name in enumerate(names)
        if any(np.isfinite(side[key][0, index]) for side in single for key in OF_CLASS)
    }
    left = [len(part - common) for part in images_of]
    return EvaluationDifference(len(common), left[0], left[1], bootstrap, rows, classes)


def _table(run: RunFolder, names: set[str]) -> ImageTable:
    """Return the counts of the images of that names, in the order of the names."""
    counts = sorted((part for part in run.counts() if part.name in names), key=lambda part: part.name)
    table = ImageTable(len(run.configuration.names))
    for part in counts:
        table.add(part)
    return table
