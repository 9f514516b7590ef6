"""COCO panoptic predictions of any tool, read: a JSON of segments beside a folder of PNGs of ids.

`categories` and `images` may be missing, as in files for COCO's server: classes are then those of the annotation by
their numbers, and a PNG belongs to the photo of its name. Where categories have names, names decide: a class of the
annotation by its name or a synonym. A segment of any other class becomes void and is counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from retclip.algorithms.label_runs import LabelRuns
from retclip.algorithms.panoptic_matching import Labelled
from retclip.data.photo_files import spelled
from retclip.data.readers.coco.coco_panoptic import Annotation, read_annotations, read_panoptic_runs
from retclip.data.readers.coco.raw_records import is_list, read_records
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import name_key
from retclip.passed_over import PassedOver, Tally
from retclip.plugin.contracts import SourceClass

FOREIGN = SourceClass("", None)  # a class that the annotation does not have
FOREIGN_SEGMENTS = "predicted segments of classes that the annotation does not have"
NEEDLESS = "predictions of photos that the source does not have"


@dataclass(frozen=True, eq=False)
class StoredPrediction:
    """The prediction for one photo. scored: whether each segment has a score in [0, 1]."""

    labelled: Labelled
    scored: bool
    passed_over: PassedOver


class PanopticPredictions:
    """The predictions of a file.

    file: the JSON; the PNGs lie in the folder of its name.
    classes: of the annotation.
    unmatched: names of predicted classes that the annotation does not have.
    digest: sha256 of the JSON.
    Raises DataError for a file that holds no predictions, or none of a class of the annotation.
    """

    def __init__(self, file: Path, classes: Sequence[SourceClass]) -> None:
        self.file, self.folder = file.absolute(), file.absolute().with_suffix("")
        document = _document(file)
        with file.open("rb") as stream:
            self.digest = hashlib.file_digest(stream, "sha256").hexdigest()
        categories = _categories(document, file, classes)
        self.unmatched = tuple(
            str(record.get("name", record.get("id"))) for record in document.get("categories", ())
            if categories.get(record.get("id")) is FOREIGN
        )  # fmt: skip
        self._tally = Tally()
        annotations = read_annotations(document, self.file, categories, self._tally)
        self._categories = categories
        self._by_name = {_stem(annotation.photo["file_name"]): annotation for annotation in annotations}
        short = Counter(Path(name).name for name in self._by_name)
        self._by_short = {
            Path(name).name: annotation for name, annotation in self._by_name.items() if short[Path(name).name] == 1
        }

    def __len__(self) -> int:
        return len(self._by_name)

    def passed_over(self, photos: Iterable[str]) -> PassedOver:
        """Return the unusable records, and the number of predictions of other photos. photos: all of the source."""
        wanted = {annotation.png for photo in photos if (annotation := self._of(photo)) is not None}
        tally = Tally(self._tally.total)
        tally.skip(NEEDLESS, len(self) - len(wanted))
        return tally.total

    def read(self, photo: str) -> StoredPrediction:
        """Return the prediction for a photo. photo: its file name. Raises DataError where there is none, or no map."""
        annotation = self._of(photo)
        if annotation is None:
            raise DataError(f"a prediction for {photo} in {self.file}", "none", "predict every photo of the source")
        tally = Tally()
        png = spelled(self.folder, annotation.png)
        segments = annotation.segments
        runs, infos = read_panoptic_runs(png, segments, self._categories, tally, annotation.dropped)
        scores = {int(segment["id"]): segment.get("score") for segment in segments}
        foreign = [info.id for info in infos if not info.class_name]
        tally.skip(FOREIGN_SEGMENTS, len(foreign))
        if foreign:
            runs = LabelRuns(runs.begins, np.where(np.isin(runs.ids, foreign), 0, runs.ids), runs.shape)
        kept = tuple(replace(info, score=_score(scores[info.id], default=1.0)) for info in infos if info.class_name)
        scored = all(_score(scores[info.id], default=-1.0) >= 0 for info in kept)
        return StoredPrediction(Labelled(runs, kept), scored, tally.total)

    def _of(self, photo: str) -> Annotation | None:
        return self._by_name.get(_stem(photo)) or self._by_short.get(Path(_stem(photo)).name)


def _document(file: Path) -> dict[str, Any]:
    document: Any = read_records(file, "COCO panoptic JSON of predictions")
    good = isinstance(document, dict) and is_list(document.get("annotations"))
    if not good or not all(is_list(document.get(key, [])) for key in ("images", "categories")):
        got = brief(document) if not isinstance(document, dict) else f"keys {', '.join(map(str, document))}"[:200]
        todo = "name a COCO panoptic JSON: `annotations` with segments_info, and PNGs in the folder of its name"
        raise DataError(f"panoptic predictions in {file}", got, todo)
    return {"images": [], **document}


def _categories(document: Mapping[str, Any], file: Path, classes: Sequence[SourceClass]) -> dict[Any, SourceClass]:
    """Return the annotation's class of each predicted category. Raises DataError where there is none."""
    records = document.get("categories")
    if not records:
        return {source_class.native_id: source_class for source_class in classes}
    entry_of = {name_key(term): entry for entry in classes for term in (*entry.synonyms, entry.name)}
    numbered = {entry.native_id: entry for entry in classes}
    categories: dict[Any, SourceClass] = {}
    for record in records:
        if not isinstance(record, dict) or not isinstance(record.get("id"), int):
            raise DataError(f"categories with an id in {file}", brief(record), "export the predictions again")
        name = record.get("name")
        by_number = numbered.get(record["id"], FOREIGN) if not isinstance(name, str) else FOREIGN
        categories[record["id"]] = entry_of.get(name_key(name), FOREIGN) if isinstance(name, str) else by_number
    if all(entry is FOREIGN for entry in categories.values()):
        wanted, got = (
            ", ".join(entry.name for entry in classes[:5]),
            brief([record.get("name") for record in records[:5]]),
        )
        raise DataError(f"predictions of classes of the source, e.g. {wanted}", got, "name the data set's own classes")
    return categories


def _stem(name: str) -> str:
    return Path(name).with_suffix("").as_posix()


def _score(value: Any, default: float) -> float:
    """Return a score; the default for anything else."""
    is_score = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if is_score else default
