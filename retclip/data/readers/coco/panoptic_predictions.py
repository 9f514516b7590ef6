"""COCO panoptic predictions of any tool, read: a JSON of segments beside a folder of PNGs of ids.

`categories` and `images` may be missing, as in files for COCO's server: classes are then those of the annotation by
their numbers, and a PNG belongs to the photo of its name. Where categories have names, names decide: a class of the
annotation by its name or else a synonym. A segment of any other class becomes void and is counted. A photo's prediction
is the one of its file name, else the only one of that name with another ending or in another folder, if it can be no
other photo's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from retclip.algorithms.label_runs import LabelRuns
from retclip.algorithms.panoptic_matching import Labelled
from retclip.data.photo_files import composed, spelled
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
    photos: returns the file names of all photos of the source; asked once, where a photo has no prediction of its name.
    unmatched: names of predicted classes that the annotation does not have.
    digest: sha256 of the JSON.
    Raises DataError for a file that holds no predictions, or none of a class of the annotation.
    """

    def __init__(self, file: Path, classes: Sequence[SourceClass], photos: Callable[[], Iterable[str]]) -> None:
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
        self._by_name = {composed(annotation.photo["file_name"]): annotation for annotation in annotations}
        self._photos = photos

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
        name = composed(photo)
        return self._by_name.get(name) or self._by_name.get(self._alike.get(name, ""))

    @cached_property
    def _alike(self) -> Mapping[str, str]:
        return alike(map(composed, self._photos()), self._by_name)


def alike(photos: Iterable[str], predicted: Iterable[str]) -> dict[str, str]:
    """Return the predicted name of each photo that has none of its own name but one that differs in the ending or, if
    none does, in the folders alone. Names that several photos or predictions could be meant by stand for none.

    >>> alike(["a.jpg", "A/x.jpg", "B/x.jpg", "val/y.jpg"], ["a.png", "A/x.jpg", "y.png"])
    {'a.jpg': 'a.png', 'val/y.jpg': 'y.png'}
    """
    named_by, found_by = set(photos), set(predicted)
    pairs: dict[str, str] = {}
    for part in (_short, _stem):  # the surer one last
        named, found = _grouped(named_by, part), _grouped(found_by, part)
        both = named.keys() & found.keys()
        pairs |= {named[key][0]: found[key][0] for key in both if len(named[key]) == len(found[key]) == 1}
    return pairs


def _grouped(names: Iterable[str], part: Callable[[str], str]) -> dict[str, list[str]]:
    """Return the names by what `part` leaves of each."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(part(name), []).append(name)
    return groups


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
    numbered = {entry.native_id: entry for entry in classes}
    class_of = _named(classes, file)
    categories: dict[Any, SourceClass] = {}
    for record in records:
        number = record.get("id") if isinstance(record, dict) else None
        if not isinstance(number, int) or isinstance(number, bool):
            raise DataError(f"categories with an id in {file}", brief(record), "export the predictions again")
        if number in categories:
            raise DataError(f"different category ids in {file}", f"{number} twice", "remove one")
        name = record.get("name")
        categories[number] = class_of(name) if isinstance(name, str) else numbered.get(number, FOREIGN)
    if all(entry is FOREIGN for entry in categories.values()):
        wanted, got = (
            ", ".join(entry.name for entry in classes[:5]),
            brief([record.get("name") for record in records[:5]]),
        )
        raise DataError(f"predictions of classes of the source, e.g. {wanted}", got, "name the data set's own classes")
    return categories


def _named(classes: Sequence[SourceClass], file: Path) -> Callable[[str], SourceClass]:
    """Return what finds the annotation's class of a name: the class of that name, else of that synonym.

    It raises DataError for a synonym of several classes. file: for the error.
    """
    named = {name_key(entry.name): [entry] for entry in classes}
    meant: dict[str, list[SourceClass]] = {}
    for entry in classes:
        for key in {name_key(term) for term in entry.synonyms}:
            meant.setdefault(key, []).append(entry)

    def class_of(name: str) -> SourceClass:
        found = named.get(name_key(name)) or meant.get(name_key(name), [FOREIGN])
        if len(found) > 1:
            both = " and ".join(repr(entry.name) for entry in found[:2])
            raise DataError(f"names of one class each in {file}", f"{name!r}, a synonym of {both}", "write which one")
        return found[0]

    return class_of


def _stem(name: str) -> str:
    return Path(name).with_suffix("").as_posix()


def _short(name: str) -> str:
    return Path(_stem(name)).name


def _score(value: Any, default: float) -> float:
    """Return a score; the default for anything else."""
    is_score = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if is_score else default
