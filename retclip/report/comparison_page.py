"""Presets side by side as one HTML page: figures with intervals, paired differences, every class, the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.escaping import json_text
from retclip.report.evaluation_page import occurs, system_of
from retclip.report.html_page import write_page
from retclip.report.palette import class_colours, css_colour
from retclip.workflows.evaluation.evaluation_difference import EvaluationDifference
from retclip.workflows.evaluation.figure_titles import COLUMNS, TITLES

if TYPE_CHECKING:
    from retclip.report.shown_images import ShownImage
    from retclip.workflows.evaluation.evaluation_figures import Evaluation
    from retclip.workflows.evaluation.paired_differences import Difference

OF_CLASS = (("PQ", "pq"), ("IoU", "iou"))


def write_comparison(
    file: Path, evaluations: Mapping[str, Evaluation], differences: Mapping[str, EvaluationDifference], source: str,
    pages: Mapping[str, Path], images: Mapping[str, Sequence[ShownImage]],
) -> Path:  # fmt: skip
    """Write the page about several presets on the same images; returns it.

    file: of the page, from `ready_page`.
    evaluations: of each preset, the first one's first.
    differences: of each further preset to the first.
    source: its address.
    pages: of each preset its own page, which this one links.
    images: of each preset those that are shown.
    Raises DataError where the file cannot be written.
    """
    first = next(iter(evaluations.values()))
    values = {
        "source": source, "evaluations": evaluations, "first": next(iter(evaluations)),
        "links": {name: page.relative_to(file.parent).as_posix() for name, page in pages.items()},
        "found": first, "systems": {name: system_of(one.settings) for name, one in evaluations.items()},
        "columns": [(title, key) for key, title in COLUMNS.items()], "groups": _groups(evaluations),
        "changes": {name: _bars(changes) for name, changes in differences.items()},
        "together": differences, "of_class": OF_CLASS, "classes": _classes(evaluations, differences),
        "grouped": any(one.groups for one in evaluations.values()), "pictures": _pictures(images),
        "colours": {name: css_colour(rgb) for name, rgb in class_colours(first.per_class).items()},
        "settings": {name: json_text(evaluation.settings) for name, evaluation in evaluations.items()},
    }  # fmt: skip
    write_page(file, "comparison.html", values, "--report")
    return file


def _groups(evaluations: Mapping[str, Evaluation]) -> list[tuple[str, list[Row]]]:
    """Return for each group of classes the presets that know it: seen and unseen not where nobody says which are."""
    groups = ["all", *dict.fromkeys(group for one in evaluations.values() for group in one.groups)]
    return [(group, _rows(group, evaluations)) for group in groups]


@dataclass(frozen=True)
class Row:
    """A preset in the table. cells: for each of COLUMNS the figure, its interval, and whether it is the best."""

    preset: str
    cells: tuple[tuple[float | None, tuple[float, float] | None, bool], ...]


def _rows(group: str, evaluations: Mapping[str, Evaluation]) -> list[Row]:
    of_preset = {name: one if group == "all" else one.groups.get(group) for name, one in evaluations.items()}
    known = {name: figures for name, figures in of_preset.items() if figures is not None}
    best = {
        key: max((getattr(one, key) for one in known.values() if getattr(one, key) is not None), default=None)
        for key in COLUMNS
    }
    return [
        Row(name, tuple(
            (value, evaluations[name].intervals.get(group, {}).get(key), value is not None and value == best[key])
            for key in COLUMNS
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
    return ChangeBar(TITLES[row.figure], row, *(50 + 48 * end / most for end in ends))


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
