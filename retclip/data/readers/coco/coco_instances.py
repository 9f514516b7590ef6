"""COCO instance annotations and LVIS, read: a JSON of objects with polygons or run lengths.

Found as `instances_SPLIT.json` or `lvis_v1_SPLIT.json` in the folder or in `annotations/`, without a split as
`instances.json`; photos in `images/SPLIT/`, `SPLIT/` or `images/`. LVIS names no files: its photos are COCO's, named by
the last two parts of `coco_url`, and underscores in its class names count as spaces. Objects may overlap; smaller ones
are painted over larger ones, the rest is void; beside that map, the annotation keeps their whole masks.
"""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from retclip.data.annotated_photo import AnnotatedPhoto, frame_digest
from retclip.data.class_choice import chosen, data_set_name, keep_classes
from retclip.data.class_kinds import with_kinds, with_whole_stuff
from retclip.data.class_names import with_names
from retclip.data.file_bytes import ReadOnce
from retclip.data.flags import as_flag, as_whole
from retclip.data.images import file_digest, read_image
from retclip.data.photo_files import NamedPhotos
from retclip.data.readers.coco.coco_panoptic import CocoPanopticSettings
from retclip.data.readers.coco.coco_records import (
    NAME,
    as_id,
    as_text,
    bad_record,
    check_size,
    credit_of,
    first_of,
    licences,
    only_one,
    photos_by_id,
    read_document,
    real_categories,
)
from retclip.data.readers.coco.lvis import ABSENT, is_lvis, looked_for
from retclip.data.readers.regions.object_masks import read_mask
from retclip.data.readers.regions.painted_objects import AnnotatedObject, painted
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import checked_name, spaced
from retclip.passed_over import BAD_OBJECTS, PassedOver, Tally
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image

NAMES = ("instances", "lvis_v1")


class CocoInstances:
    """An ImageSource over one split: every photo, annotated or not."""

    def __init__(self, settings: CocoPanopticSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split  # absolute: stored with each photo
        dotted = f"_{split}" if split else ""
        places = [folder / f"{name}{dotted}.json" for folder in (root, root / "annotations") for name in NAMES]
        file = Path(settings.annotations).absolute() if settings.annotations else None
        self.file = file or only_one(places, f"{root}, split {split!r}", "annotations")
        photos = [root / "images" / split, root / split, root / "images", root]
        self.photos = (
            Path(settings.images).absolute() if settings.images else first_of(photos, f"photos of {self.file}")
        )
        document = read_document(self.file, "instances")
        self._lvis = is_lvis(document, self.file)
        categories = real_categories(categories_of(document, self.file), document, self.file)
        classes = with_kinds(with_names(list(categories.values()), settings), settings)
        self._categories = dict(zip(categories, classes, strict=True))
        self._classes = chosen(classes, settings)
        self._kept = frozenset(source_class.name for source_class in self._classes)
        self._tally = Tally()
        self._licences = licences(document)
        self._photos = photos_by_id(document["images"], self.file, self._tally, _name)
        self._records = document["annotations"]
        self._objects = objects_of(document, self.file, self._categories, self._photos, self._tally)
        folders = [self.photos] if settings.images else [self.photos, root]
        names = (photo["file_name"] for photo in self._photos.values())
        self._places = NamedPhotos(folders, names, stand_in=True)  # LVIS names COCO's folder, too
        self._frame = settings.orientation
        self.name = data_set_name(root, split)

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes in the order of the file's categories, LVIS's with synonyms."""
        return self._classes

    def __len__(self) -> int:
        return len(self._photos)

    def passed_over(self) -> PassedOver:
        """Return the unusable records: images, and objects of no known category or image."""
        return self._tally.total

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in the order of the file's images."""
        kinds = sorted((key, category.name, category.is_thing) for key, category in self._categories.items())
        read_as = frame_digest(self._frame)
        for key, photo in self._photos.items():
            path, numbers = self._places.path(photo["file_name"]), self._objects.get(key, ())
            file = ReadOnce(path)
            objects = [self._records[number] for number in numbers]
            present = {self._categories[record["category_id"]].name for record in objects}
            canonical = json.dumps([objects, kinds, sorted(self._kept), *read_as], sort_keys=True)
            yield SourceImage(
                external_id=photo["file_name"],
                uri=str(path),
                load=partial(self._load, file, photo, numbers),
                file_digest=partial(file_digest, file),
                class_names=tuple(source_class.name for source_class in self._classes if source_class.name in present),
                annotation_digest=hashlib.sha256(canonical.encode()).hexdigest(),
                extra=credit_of(photo, self._licences),
            )

    def _load(self, file: ReadOnce, record: Mapping[str, Any], numbers: Sequence[int]) -> Image:
        photo = AnnotatedPhoto(read_image(file), self._frame)
        check_size(record, photo, str(self.file))
        masks = (self._object(number, self._records[number], photo) for number in numbers)  # one by one: they are large
        truth = painted((mask for mask in masks if mask is not None), photo.size, photo.tally)
        if truth.objects and (self._lvis or ABSENT in record):
            truth = replace(truth, objects=looked_for(truth.objects, record, self._categories, self.file))
        return photo.annotated(keep_classes(with_whole_stuff(truth), self._kept))

    def _object(self, number: int, record: Mapping[str, Any], photo: AnnotatedPhoto) -> AnnotatedObject | None:
        """Return an object; None where its record cannot be read, which costs the object alone."""
        category, where = self._categories[record["category_id"]], f"annotation {number} of {self.file}"
        try:
            mask = read_mask(record.get("segmentation"), photo, where)
            is_crowd = crowd_flag(record, where)
        except DataError as error:
            photo.fault(where, error)
            return None
        return AnnotatedObject(category.name, category.is_thing is not False, mask, is_crowd, stated_area(record))


def stated_area(record: Mapping[str, Any]) -> float | None:
    """Return the area in pixels that an object's record states; None where it states no usable one."""
    area = record.get("area")
    if not isinstance(area, int | float) or isinstance(area, bool) or not math.isfinite(area) or area < 0:
        return None
    return float(area)


def _name(image: Any) -> Any:
    """Return the `file_name` of an image's record; where there is none (LVIS), the end of its `coco_url`."""
    if isinstance(image, dict) and NAME not in image and isinstance(image.get("coco_url"), str):
        return "/".join(image["coco_url"].split("/")[-2:])
    return image[NAME]


def categories_of(document: Mapping[str, Any], file: Path) -> dict[int, SourceClass]:
    """Return the categories by their ids, in the file's order. Raises DataError."""
    categories: dict[int, SourceClass] = {}
    spelled = _spaced if is_lvis(document, file) else as_text
    for number, record in enumerate(document["categories"]):
        try:
            where = f"category {number} of {file}"
            name, terms = checked_name(spelled(record["name"]), where), record.get("synonyms", ())
            terms = [term for term in terms.split(",") if term.strip()] if isinstance(terms, str) else terms
            synonyms = dict.fromkeys(checked_name(spelled(raw), where) for raw in terms)
            synonyms.pop(name, None)
            new = SourceClass(name, as_flag(record.get("isthing", 1)), tuple(synonyms), as_whole(record["id"]))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise bad_record(where, "id and name, synonyms as a list", error) from error
        if new.native_id in categories:
            raise DataError(f"different category ids in {file}", f"{name!r} ({new.native_id}) twice", "remove one")
        categories[new.native_id] = new
    return categories


def _spaced(value: Any) -> str:
    """Return LVIS's "alarm_clock" as people write it."""
    return spaced(as_text(value))


def objects_of(
    document: Mapping[str, Any], file: Path, categories: Mapping[int, Any], photos: Mapping[Any, Any], tally: Tally
) -> Mapping[Any, Sequence[int]]:
    """Return the places in the file, from 0 on, of each image's objects, by its id.

    categories, photos: the known ones, by id.
    tally: gets the objects of no known category or image.
    """
    objects: defaultdict[Any, array[int]] = defaultdict(lambda: array("q"))
    for number, record in enumerate(document["annotations"]):
        where = f"annotation {number} of {file}"
        try:
            category, image = as_id(record["category_id"]), as_id(record["image_id"])
            is_known = (category in categories, image in photos)
        except (KeyError, TypeError) as error:
            incomplete = bad_record(where, "image_id, category_id, segmentation", error)
            tally.fault(BAD_OBJECTS, where, str(file), incomplete)
            continue
        if all(is_known):
            objects[image].append(number)
            continue
        expected, value = ("a known category", category) if not is_known[0] else ("an image", image)
        todo = "write both as numbers" if _otherwise(value) in (photos if is_known[0] else categories) else "add it"
        lost = DataError(f"{expected} for {where}", f"id {brief(value)}, which is not there", todo)
        tally.fault(BAD_OBJECTS, where, str(file), lost)
    return objects


def _otherwise(value: Any) -> Any:
    """Return an id as another program would have written it: a number as text, or a text as a number."""
    return int(value) if isinstance(value, str) and value.isdecimal() else str(value)


def crowd_flag(record: Mapping[str, Any], where: str) -> bool:
    """Return whether a record is a crowd region. Raises DataError for a word that is neither yes nor no."""
    try:
        return as_flag(record.get("iscrowd") or 0)
    except ValueError as error:
        raise DataError(f"iscrowd as 0 or 1 in {where}", str(error), "correct it") from error
