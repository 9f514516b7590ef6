"""Photos whose objects somebody marked: with boxes, points, or masks.

    regions:photos?boxes=boxes.csv&shows=fox       boxes of a CSV or a COCO JSON; as an annotation, filled rectangles
    regions:photos?points=points.csv&shows=fox     points on the objects, for a proposer that takes them
    regions:photos?masks=masks&shows=fox           a PNG for each photo

The tables stand in `region_tables.py`, the masks in `region_masks.py`. Photos are those of the path; a row that names
another is listed, a photo that no row names shows nothing. Coordinates are pixels of the upright photo, unless
`orientation` says otherwise.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from retclip.data.annotated_photo import AnnotatedPhoto, Frame, FrameSettings, frame_digest
from retclip.data.class_kinds import KindSettings, with_kinds, with_whole_stuff
from retclip.data.file_bytes import ReadOnce
from retclip.data.image_folder import ImageFolder, ImageFolderSettings
from retclip.data.images import file_digest
from retclip.data.photo_files import composed
from retclip.data.readers.coco.coco_records import check_size
from retclip.data.readers.regions.object_masks import SLACK
from retclip.data.readers.regions.painted_objects import AnnotatedObject, painted
from retclip.data.readers.regions.region_masks import is_mask, masks_of, read_object
from retclip.data.readers.regions.region_tables import Mark, read_boxes, read_points
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.passed_over import BAD_ROWS, PassedOver, Tally
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.regions import Box, Region
from retclip.types import Image, PanopticSegmentation


class RegionsSettings(FrameSettings, KindSettings, ImageFolderSettings):
    """Settings of a source of marked photos."""

    boxes: str = Field("", description="a CSV or TSV with image, x, y, width, height, or a COCO JSON")
    points: str = Field("", description="a CSV or TSV with image, x, y and perhaps positive, object")
    masks: str = Field("", description="a folder of PNGs named like the photos, or the PNG of one photo")
    shows: str = Field("", description="the class that is marked, where the file does not say it")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(map(bool, (self.boxes, self.points, self.masks))) != 1:
            raise ValueError("one of boxes, points and masks must be given")
        if self.masks and not self.shows:
            raise ValueError("masks need shows=CLASS")
        return self


@dataclass(frozen=True)
class Marked:
    """The marks of a photo: a mask's file or the error that it has none, or the marks of a table."""

    mask: Path | ReadOnce | DataError | None = None
    marks: tuple[Mark, ...] = ()


class Regions:
    """An ImageSource. Masks and boxes are its annotation; boxes and points its regions."""

    def __init__(self, settings: RegionsSettings) -> None:
        folder = ImageFolder(ImageFolderSettings(path=settings.path, recursive=settings.recursive))
        records = [record for record in folder.images() if not (settings.masks and is_mask(Path(record.uri)))]
        if not records:
            raise DataError(f"at least one photo in {', '.join(settings.path)[:200]}", "none", "check the path")
        self.name, self._records, self._frame = folder.name, records, settings.orientation
        self._tally = Tally(folder.passed_over())
        if settings.masks:
            self._marked = _with_masks(records, settings, self._tally)
        else:
            self._marked = _with_marks(records, _table(settings, self._tally), self._tally)
        shown = checked_name(settings.shows, "shows") if settings.masks else ""
        spelled: dict[str, str] = {name_key(shown): shown} if shown else {}
        for marked in self._marked.values():
            for mark in marked.marks:
                spelled.setdefault(name_key(mark.region.class_name), mark.region.class_name)
        self._spelled, self._painted = spelled, not settings.points
        self._classes = with_kinds([SourceClass(name, None) for name in spelled.values()], settings)
        self._stuff = frozenset(source_class.name for source_class in self._classes if source_class.is_thing is False)

    def passed_over(self) -> PassedOver:
        """Return the unusable rows and masks, those of no photo, and the files that are no photos."""
        return self._tally.total

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes in the order in which the file names them; of unknown kind unless a list says it."""
        return tuple(self._classes)

    def __len__(self) -> int:
        return len(self._records)

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in the photos' order."""
        for record in self._records:
            marked = self._marked.get(record.uri, Marked())
            if isinstance(marked.mask, Path):
                marked = replace(marked, mask=ReadOnce(marked.mask))
            regions = tuple(self._region(mark.region) for mark in marked.marks)
            names = {region.class_name for region in regions} or (set(self._spelled.values()) if marked.mask else set())
            yield replace(
                record,
                load=partial(self._load, record, marked, regions),
                class_names=tuple(name for name in self._spelled.values() if name in names),
                annotation_digest=_digest(marked, regions, names, self._frame, self._stuff),
            )

    def _region(self, region: Region) -> Region:
        return replace(region, class_name=self._spelled[name_key(region.class_name)])

    def _load(self, record: SourceImage, marked: Marked, regions: Sequence[Region]) -> Image:
        if isinstance(marked.mask, DataError):
            raise DataError(marked.mask.expected, marked.mask.got, marked.mask.todo)
        image = record.load()
        if marked == Marked():
            return image if not self._painted else replace(image, truth=painted([], image.size))
        photo = AnnotatedPhoto(image, self._frame)
        if marked.mask is not None:
            (name,) = self._spelled.values()
            mask = read_object(marked.mask, photo)
            if isinstance(marked.mask, ReadOnce):
                marked.mask.let_go()
            return photo.annotated(painted([AnnotatedObject(name, name not in self._stuff, mask)], photo.size))
        for mark in marked.marks:
            check_size(mark.photo, photo, mark.where)
        inside = _all_inside(regions, marked.marks, photo)
        truth = self._boxes(inside, photo) if self._painted else None
        return photo.annotated(truth, regions=tuple(photo.upright_region(region) for region in inside))

    def _boxes(self, regions: Sequence[Region], photo: AnnotatedPhoto) -> PanopticSegmentation:
        """Return the annotation: the filled boxes of the regions."""
        objects = (_filled(photo.size, region, region.class_name not in self._stuff) for region in regions)
        return with_whole_stuff(painted(objects, photo.size, photo.tally))


def _table(settings: RegionsSettings, tally: Tally) -> list[Mark]:
    if settings.boxes:
        return read_boxes(Path(settings.boxes).absolute(), settings.shows, tally)
    return read_points(Path(settings.points).absolute(), settings.shows, tally)


def _with_masks(records: Sequence[SourceImage], settings: RegionsSettings, tally: Tally) -> dict[str, Marked]:
    masks = masks_of([Path(record.uri) for record in records], Path(settings.masks).absolute(), tally)
    return {str(photo): Marked(mask) for photo, mask in masks.items()}


def _with_marks(records: Sequence[SourceImage], marks: Sequence[Mark], tally: Tally) -> dict[str, Marked]:
    """Return the marks of each photo, by its uri.

    A row names a photo by its place below the path, or by its file name where no row names that photo by its place.

    tally: gets the rows of no photo.

    Raises DataError where no row names a photo.
    """
    places = {
        composed(name): record.uri for record in records for name in (record.uri, Path(record.external_id).as_posix())
    }
    bases: dict[str, list[str]] = {}
    for record in records:
        bases.setdefault(composed(Path(record.uri).name), []).append(record.uri)
    owned = {places[name] for mark in marks if "/" in (name := composed(mark.image)) and name in places}
    marked: dict[str, Marked] = {}
    errors: list[DataError] = []
    for mark in marks:
        name = composed(mark.image)
        uris = {places[name]} if name in places else set()
        uris |= {uri for uri in bases.get(name, ()) if uri not in owned}
        if len(uris) == 1:
            (uri,) = uris
            marked[uri] = Marked(None, (*marked.get(uri, Marked()).marks, mark))
            continue
        got = f"{mark.image!r}, which is {'not among them' if not uris else 'the name of several'}"
        todo = "name a photo of the path" if not uris else "name it with its folder"
        errors.append(DataError(f"one of the photos in {mark.where}", got, todo))
        tally.fault(BAD_ROWS, mark.where, mark.image, errors[-1])
    if errors and not marked:
        raise errors[0]
    return marked


def _all_inside(regions: Sequence[Region], marks: Sequence[Mark], photo: AnnotatedPhoto) -> list[Region]:
    """Return the regions cut to the photo; a region outside it costs that region. Raises DataError where all are
    outside.
    """
    inside, errors = list[Region](), list[tuple[str, DataError]]()
    for region, mark in zip(regions, marks, strict=True):
        try:
            inside.append(_inside(region, mark.where, photo))
        except DataError as error:
            errors.append((mark.where, error))
    if not inside:
        raise errors[0][1]
    for where, outside in errors:
        photo.fault(where, outside)
    return inside


def _inside(region: Region, where: str, photo: AnnotatedPhoto) -> Region:
    """Return the region cut to the photo. Raises DataError for a point or box outside it."""
    height, width = photo.size
    for point in region.points:
        if not (0 <= point.x < width and 0 <= point.y < height):
            raise _outside(f"a point ({point.x:g}, {point.y:g})", where, photo)
    if region.box is None:
        return region
    x0, y0, x1, y1 = region.box
    if min(x0, y0) < -SLACK or x1 > width + SLACK or y1 > height + SLACK:
        raise _outside(f"a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})", where, photo)
    box: Box = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise _outside(f"a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})", where, photo)
    return replace(region, box=box)


def _outside(got: str, where: str, photo: AnnotatedPhoto) -> DataError:
    height, width = photo.size
    expected = f"a place within {photo.image.uri}, {photo.frame} {width} x {height} pixels, in {where}"
    return DataError(expected, got, f"give pixels of the {photo.frame} photo, from its upper left corner")


def _filled(size: tuple[int, int], region: Region, is_thing: bool) -> AnnotatedObject:
    x0, y0, x1, y1 = region.box or (0.0, 0.0, 0.0, 0.0)
    mask = np.zeros(size, dtype=bool)
    mask[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)] = True
    return AnnotatedObject(region.class_name, is_thing, mask)


def _digest(marked: Marked, regions: Sequence[Region], names: set[str], frame: Frame, stuff: frozenset[str]) -> str:
    try:
        if isinstance(marked.mask, DataError):
            return "unreadable"
        content = file_digest(marked.mask) if marked.mask else ""
    except DataError:
        content = "unreadable"
    annotation: dict[str, object] = {
        "mask": content,
        "regions": [asdict(region) for region in regions],
        "names": sorted(names),
    }
    annotation |= {"orientation": frame} if frame_digest(frame) else {}
    annotation |= {"stuff": sorted(stuff)} if stuff else {}
    return hashlib.sha256(json.dumps(annotation, sort_keys=True).encode()).hexdigest()
