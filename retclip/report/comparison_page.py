"""Presets side by side as one HTML page: figures with intervals, paired differences, every class, the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.escaping import json_text
from retclip.report.evaluation_page import NAMES, TITLES, occurs, ready_page, system_of
from retclip.report.html_page import write_page
from retclip.report.palette import class_colours
from retclip.workflows.evaluation.evaluation_difference import EvaluationDifference

if TYPE_CHECKING:
    from retclip.report.shown_images import ShownImage
    from retclip.workflows.evaluation.evaluation_figures import Evaluation
    from retclip.workflows.evaluation.paired_differences import Difference

OF_CLASS = (("PQ", "pq"), ("IoU", "iou"))
LABELS = dict(zip(NAMES, TITLES, strict=True)) | {"pixel_accuracy": "pixel accuracy"}


class ComparisonPage:
    """A page about several presets on the same images.

    path: the page where it ends in .html, else the folder of an index.html.

    Raises DataError where the page could not be written, ConfigError where another one stands there: before the work.
    """

    def __init__(self, path: Path) -> None:
        self.file = ready_page(path)

    def write(
        self, evaluations: Mapping[str, Evaluation], differences: Mapping[str, EvaluationDifference], source: str,
        pages: Mapping[str, Path], images: Mapping[str, Sequence[ShownImage]],
    ) -> Path:  # fmt: skip
        """Write the page; returns the file.

        evaluations: of each preset, the first one's first.
        differences: of each further preset to the first.
        source: its address.
        pages: of each preset its own page, which this one links.
        images: of each preset those that are shown.
        Raises DataError where the file cannot be written.
        """
        values = {**self._values(evaluations, differences, source, pages), "pictures": _pictures(images)}
        write_page(self.file, "comparison.html", values, "--report")
        return self.file

    def _values(
        self, evaluations: Mapping[str, Evaluation], differences: Mapping[str, EvaluationDifference], source: str,
        pages: Mapping[str, Path],
    ) -> dict[str, Any]:  # fmt: skip
        first = next(iter(evaluations.values()))
        links = {name: page.relative_to(self.file.parent).as_posix() for name, page in pages.items()}
        return {
            "source": source, "evaluations": evaluations, "first": next(iter(evaluations)), "links": links,
            "found": first, "systems": {name: system_of(one.settings) for name, one in evaluations.items()},
            "columns": list(zip(TITLES, NAMES, strict=True)), "groups": _groups(evaluations),
            "changes": {name: _bars(changes) for name, changes in differences.items()},
            "together": differences, "of_class": OF_CLASS, "classes": _classes(evaluations, differences),
            "grouped": any(one.groups for one in evaluations.values()),
            "colours": {name: "rgb({},{},{})".format(*rgb) for name, rgb in class_colours(first.per_class).items()},
            "settings": {name: json_text(evaluation.settings) for name, evaluation in evaluations.items()},
        }  # fmt: skip


def _groups(evaluations: Mapping[str, Evaluation]) -> list[tuple[str, list[Row]]]:
    """Return for each group of classes the presets that know it: seen and unseen not where nobody says which are."""
    groups = ["all", *dict.fromkeys(group for one in evaluations.values() for group in one.groups)]
    return [(group, _rows(group, evaluations)) for group in groups]


@dataclass(frozen=True)
class Row:
    """A preset in the table. cells: for each of NAMES the figure, its interval, and whether it is the best."""

    preset: str
    cells: tuple[tuple[float | None, tuple[float, float] | None, bool], ...]


def _rows(group: str, evaluations: Mapping[str, Evaluation]) -> list[Row]:
    of_preset = {name: one if group == "all" else one.groups.get(group) for name, one in evaluations.items()}
    known = {name: figures for name, figures in of_preset.items() if figures is not None}
    best = {
        key: max((getattr(one, key) for one in known.values() if getattr(one, key) is not None), default=None)
        for key in NAMES
    }
    return [
        Row(name, tuple(
            (value, evaluations[name].intervals.get(group, {}).get(key), value is not None and value == best[key])
            for key in NAMES
            for value in (getattr(figures, key),)
        ))
        for name, figures in known.items()
    ]  # fmt: skip


@dataclass(frozen=True)
class ChangeBar:
    """A difference with the places of its interval on an axis from 0 to 100, on which 50 is no change."""

    title: str
    row: Difference
    low: float
    high: float
    change: float


def _bars(changes: EvaluationDifference) -> list[ChangeBar]:
    """Return the differences of all classes together, on one axis that holds every interval."""
    ends = [end for row in changes.whole for end in (row.low, row.high, row.change) if end is not None]
    most = max((abs(end) for end in ends), default=0.0) or 1.0
    return [_bar(row, most) for row in changes.whole]


def _bar(row: Difference, most: float) -> ChangeBar:
    change = 0.0 if row.change is None else row.change
    ends = (change if row.low is None else row.low, change if row.high is None else row.high, change)
    return ChangeBar(LABELS.get(row.figure, row.figure), row, *(50 + 48 * end / most for end in ends))


def _classes(
    evaluations: Mapping[str, Evaluation], differences: Mapping[str, EvaluationDifference]
) -> list[dict[str, Any]]:
    """Return a row for each class that occurs anywhere: figure -> preset -> (value, difference to the first)."""
    first = next(iter(evaluations.values()))
    changes = {
        (preset, name, row.figure): row
        for preset, one in differences.items()
        for name, rows in one.classes.items()
        for row in rows
    }
    return [
        {
            "name": name,
            "seen": _seen(name, evaluations),
            "figures": {
                key: {preset: (one.per_class[name][key], changes.get((preset, name, key)))
                      for preset, one in evaluations.items()}
                for _, key in OF_CLASS
            },
        }
        for name in first.per_class
        if any(occurs(one.per_class[name]) for one in evaluations.values())
    ]  # fmt: skip


def _seen(name: str, evaluations: Mapping[str, Evaluation]) -> bool | None:
    """Return whether a class was seen, as the first preset that knows it says; None where none does."""
    told = (one.per_class[name]["seen"] for one in evaluations.values())
    return next((bool(seen) for seen in told if seen is not None), None)


def _pictures(images: Mapping[str, Sequence[ShownImage]]) -> list[tuple[ShownImage, dict[str, ShownImage]]]:
    """Return the images that every preset shows, each with the presets' answers."""
    numbered = {name: {shown.number: shown for shown in several} for name, several in images.items()}
    first = next(iter(numbered.values()), {})
    common = [number for number in first if all(number in of_preset for of_preset in numbered.values())]
    return [(first[number], {name: of_preset[number] for name, of_preset in numbered.items()}) for number in common]
