"""Photos whose objects somebody marked: with boxes, points, or masks.

    regions:photos?boxes=boxes.csv&shows=fox       boxes of a CSV or a COCO JSON; as an annotation, filled rectangles
    regions:photos?points=points.csv&shows=fox     points on the objects, for a proposer that takes them
    regions:photos?masks=masks&shows=fox           a PNG for each photo

The tables stand in `region_tables.py`, the masks in `region_masks.py`. Photos are those of the path; a row that names
another is refused, a photo that no row names shows nothing. Coordinates are pixels of the upright photo.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from retclip.data.coco_records import check_size
from retclip.data.image_folder import ImageFolder, ImageFolderSettings
from retclip.data.images import file_digest
from retclip.data.painted_objects import AnnotatedObject, painted
from retclip.data.region_masks import is_mask, masks_of, read_object
from retclip.data.region_tables import Mark, read_boxes, read_points
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.regions import Box, Region
from retclip.types import Image

SLACK = 1.0  # pixels that a box may reach out of the photo: other programs count corners otherwise


class RegionsSettings(ImageFolderSettings):
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
    """What is marked in a photo: a mask's file, or the marks of a table."""

    mask: Path | None = None
    marks: tuple[Mark, ...] = ()


class Regions:
    """An ImageSource. Masks and boxes are its annotation; boxes and points its regions."""

    def __init__(self, settings: RegionsSettings) -> None:
        folder = ImageFolder(ImageFolderSettings(path=settings.path, recursive=settings.recursive))
        records = [one for one in folder.images() if not (settings.masks and is_mask(Path(one.uri)))]
        if not records:
            raise DataError(f"at least one photo in {', '.join(settings.path)[:200]}", "none", "check the path")
        self.name, self._records = folder.name, records
        self._marked = _with_masks(records, settings) if settings.masks else _with_marks(records, _table(settings))
        shown = checked_name(settings.shows, "shows") if settings.masks else ""
        spelled: dict[str, str] = {name_key(shown): shown} if shown else {}
        for one in self._marked.values():
            for mark in one.marks:
                spelled.setdefault(name_key(mark.region.class_name), mark.region.class_name)
        self._spelled, self._painted = spelled, not settings.points

    def classes(self) -> Sequence[SourceClass]:
        """In the order in which the file names them; nobody said whether they can be counted."""
        return tuple(SourceClass(one, None) for one in self._spelled.values())

    def __len__(self) -> int:
        return len(self._records)

    def images(self) -> Iterator[SourceImage]:
        """In the photos' order."""
        for one in self._records:
            marked = self._marked.get(one.uri, Marked())
            regions = tuple(self._region(mark.region) for mark in marked.marks)
            names = {region.class_name for region in regions} or (set(self._spelled.values()) if marked.mask else set())
            yield replace(
                one,
                load=partial(self._load, one, marked, regions),
                class_names=tuple(name for name in self._spelled.values() if name in names),
                annotation_digest=_digest(marked, regions, names),
            )

    def _region(self, region: Region) -> Region:
        return replace(region, class_name=self._spelled[name_key(region.class_name)])

    def _load(self, record: SourceImage, marked: Marked, regions: Sequence[Region]) -> Image:
        image = record.load()
        if marked.mask is not None:
            (name,) = self._spelled.values()
            mask = read_object(marked.mask, image.size)
            return replace(image, truth=painted([AnnotatedObject(name, True, mask)], image.size))
        for mark in marked.marks:
            check_size(mark.photo, image, mark.where)
        inside = tuple(_inside(region, mark.where, image) for region, mark in zip(regions, marked.marks, strict=True))
        if not self._painted:
            return replace(image, regions=inside)
        return replace(image, regions=inside, truth=painted(map(partial(_filled, image.size), inside), image.size))


def _table(settings: RegionsSettings) -> list[Mark]:
    if settings.boxes:
        return read_boxes(Path(settings.boxes).absolute(), settings.shows)
    return read_points(Path(settings.points).absolute(), settings.shows)


def _with_masks(records: Sequence[SourceImage], settings: RegionsSettings) -> dict[str, Marked]:
    found = masks_of([Path(one.uri) for one in records], Path(settings.masks).absolute())
    return {str(photo): Marked(mask) for photo, mask in found.items()}


def _with_marks(records: Sequence[SourceImage], marks: Sequence[Mark]) -> dict[str, Marked]:
    """uri -> the marks of that photo. A row names a photo by its place below the path, or by its file name."""
    places: dict[str, list[str]] = {}
    for one in records:
        for name in {one.uri, Path(one.external_id).as_posix(), Path(one.uri).name}:
            places.setdefault(name, []).append(one.uri)
    found: dict[str, Marked] = {}
    for mark in marks:
        known = places.get(Path(mark.image).as_posix(), ())
        if len(known) != 1:
            got = f"{mark.image!r}, which is {'not among them' if not known else 'the name of several'}"
            todo = "name a photo of the path" if not known else "name it with its folder"
            raise DataError(f"one of the photos in {mark.where}", got, todo)
        earlier = found.get(known[0], Marked())
        found[known[0]] = Marked(None, (*earlier.marks, mark))
    return found


def _inside(region: Region, where: str, image: Image) -> Region:
    """The region cut to the photo. Raises DataError for a point or box that lies out of it."""
    height, width = image.size
    for point in region.points:
        if not (0 <= point.x < width and 0 <= point.y < height):
            raise _outside(f"a point ({point.x:g}, {point.y:g})", where, image)
    if region.box is None:
        return region
    x0, y0, x1, y1 = region.box
    if min(x0, y0) < -SLACK or x1 > width + SLACK or y1 > height + SLACK:
        raise _outside(f"a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})", where, image)
    box: Box = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise _outside(f"a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})", where, image)
    return replace(region, box=box)


def _outside(got: str, where: str, image: Image) -> DataError:
    height, width = image.size
    expected = f"a place within {image.uri}, upright {width} x {height} pixels, in {where}"
    return DataError(expected, got, "give pixels of the upright photo, from its upper left corner")


def _filled(size: tuple[int, int], region: Region) -> AnnotatedObject:
    x0, y0, x1, y1 = region.box or (0.0, 0.0, 0.0, 0.0)
    mask = np.zeros(size, dtype=bool)
    mask[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)] = True
    return AnnotatedObject(region.class_name, True, mask)


def _digest(marked: Marked, regions: Sequence[Region], names: set[str]) -> str:
    try:
        content = file_digest(marked.mask) if marked.mask else ""
    except DataError:
        content = "unreadable"
    told: Mapping[str, object] = {"mask": content, "regions": [asdict(one) for one in regions], "names": sorted(names)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
