"""An evaluation as one HTML page that can be sent around: figures, classes, confusions, embedded pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.data.images import make_folder, resized
from retclip.errors import DataError
from retclip.escaping import json_text
from retclip.own_files import require_replaceable
from retclip.report.html_page import jpeg_address, write_page
from retclip.report.overlay import overlay
from retclip.report.palette import class_colours
from retclip.types import Image, PanopticSegmentation
from retclip.workflows.evaluation.evaluate import Judged
from retclip.workflows.evaluation.evaluation_figures import Evaluation

SIDE = 560  # longer side of a picture in pixels, so that names stay legible
NAMES = ("pq", "sq", "rq", "map", "miou", "fwiou", "boundary_iou")
TITLES = ("PQ", "SQ", "RQ", "mAP", "mIoU", "FWIoU", "boundary IoU")
PAGE = "index.html"  # where a folder is named


@dataclass(frozen=True)
class Shown:
    """A row of the grid: three pictures as data addresses.

    accuracy: percent of the labelled pixels; None where none is labelled.
    """

    name: str
    photo: str
    annotation: str
    prediction: str
    accuracy: float | None


class EvaluationPage:
    """Collects pictures while images are judged, evenly over the source, then writes the page.

    path: the page where it ends in .html, else the folder of an index.html.
    most: images that are shown.

    Raises DataError where the page could not be written, ConfigError where another one stands there: before the work.
    """

    def __init__(self, path: Path, most: int) -> None:
        self.file = page_file(path)
        make_folder(self.file.parent)
        if self.file.is_dir():
            raise DataError("a file to write, or a folder without .html at its end", str(self.file), "rename --report")
        require_replaceable(self.file, "--report")
        self.most = most
        self.shown: list[Shown] = []

    def add(self, judged: Judged, names: Sequence[str]) -> None:
        """Keep the image's pictures if it is one of those to be shown: every (total / most)th. names: the vocabulary,
        which decides the colours."""
        most, truth = min(self.most, judged.total), judged.image.truth
        before, now = ((number * most) // max(1, judged.total) for number in (judged.number - 1, judged.number))
        if not most or before == now or truth is None:
            return
        photo = _fitted(judged.image)
        maps = (_scaled(segmentation, photo) for segmentation in (truth, judged.predicted))
        annotated, predicted = (jpeg_address(overlay(photo, segmentation, names=names)) for segmentation in maps)
        accuracy = None if judged.accuracy is None else 100 * judged.accuracy
        self.shown.append(Shown(judged.name, jpeg_address(photo), annotated, predicted, accuracy))

    def write(self, evaluation: Evaluation, source: str) -> Path:
        """Write the page; returns the file. source: its address. Raises DataError where the file cannot be written."""
        write_page(self.file, "evaluation.html", _values(evaluation, source, self.shown), "--report")
        return self.file


def page_file(path: Path) -> Path:
    """Return the page's file: the path itself where it ends in .html, else an index.html in the folder."""
    return path if path.suffix.lower() in (".html", ".htm") else path / PAGE


def _values(evaluation: Evaluation, source: str, shown: list[Shown]) -> dict[str, Any]:
    all_classes = {"classes": len(evaluation.per_class), **{name: getattr(evaluation, name) for name in NAMES}}
    occurring = {name: row for name, row in evaluation.per_class.items() if _occurs(row)}
    return {
        "source": source,
        "found": evaluation,
        "system": _system(evaluation.settings),
        "rows": [("all", all_classes), *((name, vars(group)) for name, group in evaluation.groups.items())],
        "map": evaluation.settings.get("map", "semantic map"),
        "columns": list(zip(TITLES, NAMES, strict=True)),
        "classes": occurring,
        "absent": [name for name in evaluation.per_class if name not in occurring],
        "colours": {name: "rgb({},{},{})".format(*rgb) for name, rgb in class_colours(evaluation.per_class).items()},
        "shown": shown,
        "settings": json_text(evaluation.settings),
    }


def _occurs(row: Mapping[str, Any]) -> bool:
    return any(row[key] is not None for key in ("pq", "iou", "ap"))


def _system(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the evaluated system in a few words."""
    if "predictions" in settings:
        return [("predictions", settings["predictions"]["file"])]
    parts = [(role, settings[role]["name"]) for role in ("proposer", "backbone", "keys") if role in settings]
    return [*parts, ("classifiers", ", ".join(classifier["name"] for classifier in settings["classifiers"]))]


def _fitted(image: Image) -> NDArray[np.uint8]:
    """Return the photo with its longer side brought to SIDE; small drawings are enlarged as well."""
    scale = SIDE / max(image.size)
    return resized(image.pixels, (max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale))))


def _scaled(result: PanopticSegmentation, photo: NDArray[np.uint8]) -> PanopticSegmentation:
    """Return the map at the photo's size, by nearest pixels; segments that vanish are left out."""
    sizes = zip(photo.shape[:2], result.label_map.shape, strict=True)
    rows, columns = ((np.arange(small) * full) // small for small, full in sizes)
    label_map = result.label_map[rows[:, None], columns[None, :]]
    ids, counts = np.unique(label_map, return_counts=True)
    areas = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    infos = (replace(segment, area=areas[segment.id]) for segment in result.segments if segment.id in areas)
    return PanopticSegmentation(label_map, tuple(infos))
