"""The images that a page about an evaluation shows: some evenly over the source, and the worst.

They are kept while the walk goes on, in memory or in the evaluation's folder, a file for each: so a page can be written
later, without a model, and of parts that were merged the worst are the worst of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from retclip.data.images import fitted, make_folder
from retclip.documents import first_fault, read_json
from retclip.errors import DataError
from retclip.own_files import write_json
from retclip.report.html_page import jpeg_address
from retclip.report.mistakes import Mistake, mistakes_of
from retclip.report.overlay import overlay
from retclip.types import PanopticSegmentation
from retclip.workflows.evaluation.run_folder import PICTURES

if TYPE_CHECKING:
    from retclip.store.feature_store import FeatureStore
    from retclip.workflows.evaluation.judged import Judged

SIDE = 560  # longer side of a picture in pixels, so that names stay legible


@dataclass(frozen=True)
class ShownImage:
    """An image with its annotation and its answer.

    photo, annotation, prediction: pictures as data addresses.
    accuracy: percent of the labelled pixels; None where none is labelled.
    quality: panoptic quality of all segments together, percent.
    evenly: whether it is one of those that are taken evenly over the source.
    mistakes: what is called by a wrong name.
    """

    number: int
    name: str
    photo: str
    annotation: str
    prediction: str
    accuracy: float | None
    quality: float
    evenly: bool
    mistakes: tuple[Mistake, ...] = ()


class ShownImages:
    """Collects images while they are judged.

    most: how many are shown evenly over the source, and how many of the worst.
    folder: of the evaluation; None = they are kept in memory.
    store: where neighbours are looked up; None = no neighbours.
    """

    def __init__(self, most: int, folder: Path | None = None, store: FeatureStore | None = None) -> None:
        self.most, self.store = most, store
        self.folder = None if folder is None else folder / PICTURES
        self._images: dict[int, ShownImage] = {} if self.folder is None else _kept(self.folder)
        self._trim()

    def of_folder(self, folder: Path) -> ShownImages:
        """Return those that an evaluation kept; nothing in its folder changes."""
        images = ShownImages(self.most, store=self.store)
        images._images = _kept(folder / PICTURES)
        return images

    def add(self, judged: Judged, names: Sequence[str]) -> None:
        """Keep an image if it is one of those to be shown. names: the vocabulary, which decides the colours."""
        if judged.image.truth is None or not self.most:
            return
        most = min(self.most, judged.total)
        before, now = ((number * most) // max(1, judged.total) for number in (judged.number - 1, judged.number))
        worst = self.worst
        if before == now and len(worst) >= self.most and (100 * judged.quality, judged.number) >= _rank(worst[-1]):
            return
        shown = _shown(judged, names, before != now, self.store)
        self._images[shown.number] = shown
        if self.folder is not None:
            make_folder(self.folder)
            write_json(self.folder / f"{shown.number:07d}.json", asdict(shown))
        self._trim()

    @property
    def evenly(self) -> list[ShownImage]:
        """Those evenly over the source, in its order."""
        return [shown for _, shown in sorted(self._images.items()) if shown.evenly][: self.most]

    @property
    def worst(self) -> list[ShownImage]:
        """The worst, by panoptic quality, the worst first."""
        return sorted(self._images.values(), key=_rank)[: self.most]

    def _trim(self) -> None:
        """Forget what is neither."""
        kept = {shown.number for shown in self.worst}
        for number, shown in list(self._images.items()):
            if number not in kept and not shown.evenly:
                del self._images[number]
                if self.folder is not None:
                    (self.folder / f"{number:07d}.json").unlink(missing_ok=True)


def _kept(folder: Path) -> dict[int, ShownImage]:
    return {shown.number: shown for shown in map(_read, sorted(folder.glob("*.json")))}


def _rank(shown: ShownImage) -> tuple[float, int]:
    return shown.quality, shown.number


def _shown(judged: Judged, names: Sequence[str], evenly: bool, store: FeatureStore | None) -> ShownImage:
    photo = fitted(judged.image.pixels, SIDE)
    maps = [_scaled(part, photo) for part in (judged.image.truth, judged.predicted) if part is not None]
    annotated, predicted = (jpeg_address(overlay(photo, segmentation, names=names)) for segmentation in maps)
    accuracy = None if judged.accuracy is None else 100 * judged.accuracy
    mistakes = mistakes_of(judged, names, store)
    return ShownImage(
        judged.number, judged.name, jpeg_address(photo), annotated, predicted, accuracy, 100 * judged.quality, evenly,
        mistakes,
    )  # fmt: skip


def _read(file: Path) -> ShownImage:
    """Return what a file keeps. Raises DataError where it is damaged."""
    values = read_json(file, "picture of an evaluation")
    try:
        return TypeAdapter(ShownImage).validate_python(values)
    except ValidationError as error:
        raise DataError(f"a picture that an evaluation kept: {file}", first_fault(error), "delete it") from error


def _scaled(result: PanopticSegmentation, photo: NDArray[np.uint8]) -> PanopticSegmentation:
    """Return the map at the photo's size, by nearest pixels; segments that vanish are left out."""
    sizes = zip(photo.shape[:2], result.label_map.shape, strict=True)
    rows, columns = ((np.arange(small) * full) // small for small, full in sizes)
    label_map = result.label_map[rows[:, None], columns[None, :]]
    ids, counts = np.unique(label_map, return_counts=True)
    areas = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    infos = (replace(segment, area=areas[segment.id]) for segment in result.segments if segment.id in areas)
    return PanopticSegmentation(label_map, tuple(infos))
