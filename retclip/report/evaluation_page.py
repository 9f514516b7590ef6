"""An evaluation as one HTML page that can be sent around: figures, classes, confusions, embedded pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retclip.errors import DataError
from retclip.escaping import json_text
from retclip.own_files import require_replaceable
from retclip.report.html_page import write_page
from retclip.report.palette import class_colours, css_colour
from retclip.report.shown_images import ShownImages
from retclip.workflows.evaluation.evaluation_figures import Evaluation
from retclip.workflows.evaluation.figure_titles import COLUMNS, COSTS

PAGE = "index.html"  # where a folder is named


def write_evaluation(file: Path, evaluation: Evaluation, source: str, images: ShownImages) -> Path:
    """Write the page about an evaluation; returns it.

    file: of the page, from `ready_page`.
    source: its address.
    Raises DataError where the file cannot be written.
    """
    write_page(file, "evaluation.html", _values(evaluation, source, images), "--report")
    return file


def page_file(path: Path) -> Path:
    """Return the page's file: the path itself where it ends in .html, else an index.html in the folder."""
    return path if path.suffix.lower() in (".html", ".htm") else path / PAGE


def ready_page(path: Path) -> Path:
    """Return the page's file, whose folder may be new.

    Raises DataError where it could not be written, ConfigError where another page stands there.
    """
    file = page_file(path)
    if file.is_dir():
        raise DataError("a file to write, or a folder without .html at its end", str(file), "rename --report")
    require_replaceable(file, "--report")
    return file


def _values(evaluation: Evaluation, source: str, images: ShownImages) -> dict[str, Any]:
    all_classes = {"classes": len(evaluation.per_class), **{name: getattr(evaluation, name) for name in COLUMNS}}
    occurring = {name: row for name, row in evaluation.per_class.items() if occurs(row)}
    return {
        "source": source,
        "found": evaluation,
        "system": system_of(evaluation.settings),
        "rows": [("all", all_classes), *((name, vars(group)) for name, group in evaluation.groups.items())],
        "map": evaluation.settings.get("map", "semantic map"),
        "columns": [(title, key) for key, title in COLUMNS.items()],
        "classes": occurring,
        "absent": [name for name in evaluation.per_class if name not in occurring],
        "colours": {name: css_colour(rgb) for name, rgb in class_colours(evaluation.per_class).items()},
        "evenly": images.evenly,
        "worst": [shown for shown in images.worst if shown.quality < 100],
        "oracles": _oracle_bars(evaluation),
        "costs": [(title, key) for key, title in COSTS.items()],
        "settings": json_text(evaluation.settings),
    }


def _oracle_bars(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return a row for each group, oracle and figure: the figure as it is, and with the truth in place of parts."""
    return [
        {"group": group, "oracle": oracle.oracle, **{key: gains[key] for key in COSTS}}
        for group in (evaluation.oracles[0].gains if evaluation.oracles else ())
        for oracle in evaluation.oracles
        for gains in (oracle.gains[group],)
    ]


def occurs(row: Mapping[str, Any]) -> bool:
    """Return whether a class is in annotation or answer. row: its figures."""
    return any(row[key] is not None for key in ("pq", "iou", "ap"))


def system_of(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the evaluated system in a few words."""
    if "predictions" in settings:
        return [("predictions", settings["predictions"]["file"])]
    parts = [(role, settings[role]["name"]) for role in ("proposer", "backbone", "keys") if role in settings]
    return [*parts, ("classifiers", ", ".join(classifier["name"] for classifier in settings["classifiers"]))]
