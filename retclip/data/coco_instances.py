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
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from retclip.data.class_choice import chosen, data_set_name, keep_classes
from retclip.data.coco_panoptic import CocoPanopticSettings
from retclip.data.coco_records import (
    as_text,
    bad_record,
    check_size,
    first_of,
    photos_by_id,
    read_document,
    real_categories,
)
from retclip.data.images import file_digest, read_image
from retclip.data.lvis import ABSENT, is_lvis, looked_for
from retclip.data.object_masks import read_mask
from retclip.data.painted_objects import AnnotatedObject, painted
from retclip.errors import DataError
from retclip.names import checked_name, spaced
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image

NAMES = ("instances", "lvis_v1")


class CocoInstances:
    """An ImageSource over one split: every photo, also those in which nothing is annotated."""

    def __init__(self, settings: CocoPanopticSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split  # absolute: stored with each photo
        dotted = f"_{split}" if split else ""
        places = [folder / f"{name}{dotted}.json" for folder in (root, root / "annotations") for name in NAMES]
        given = Path(settings.annotations).absolute() if settings.annotations else None
        self.file = given or first_of(places, f"{root}, split {split!r}")
        photos = [root / "images" / split, root / split, root / "images", root]
        self.photos = (
            Path(settings.images).absolute() if settings.images else first_of(photos, f"photos of {self.file}")
        )
        document = _named(read_document(self.file, "instances"))
        self._lvis = is_lvis(document, self.file)
        self._categories = real_categories(categories_of(document, self.file), document, self.file)
        self._classes = chosen(list(self._categories.values()), settings)
        self._kept = frozenset(one.name for one in self._classes)
        self._photos = _different(photos_by_id(document, self.file), self.file)
        self._objects = objects_of(document, self.file, self._categories, self._photos)
        self.name = data_set_name(root, split)

    def classes(self) -> Sequence[SourceClass]:
        """In the order of the file's categories, LVIS with its synonyms."""
        return self._classes

    def __len__(self) -> int:
        return len(self._photos)

    def images(self) -> Iterator[SourceImage]:
        """In the order of the file's images."""
        kinds = sorted((key, one.name, one.is_thing) for key, one in self._categories.items())
        for key, photo in self._photos.items():
            path, objects = self._path(photo["file_name"]), self._objects.get(key, [])
            named = {self._categories[one["category_id"]].name for _, one in objects}
            canonical = json.dumps([[one for _, one in objects], kinds, sorted(self._kept)], sort_keys=True)
            yield SourceImage(
                external_id=photo["file_name"],
                uri=str(path),
                load=partial(self._load, path, photo, objects),
                file_digest=partial(file_digest, path),
                class_names=tuple(one.name for one in self._classes if one.name in named),
                annotation_digest=hashlib.sha256(canonical.encode()).hexdigest(),
            )

    def _path(self, name: str) -> Path:
        """LVIS names COCO's folder, too: it is looked for with and without."""
        whole = self.photos / name
        return (
            whole if whole.exists() or not (self.photos / Path(name).name).exists() else self.photos / Path(name).name
        )

    def _load(self, path: Path, photo: Mapping[str, Any], objects: Sequence[tuple[int, Mapping[str, Any]]]) -> Image:
        image = read_image(path)
        check_size(photo, image, str(self.file))
        found = (self._object(number, one, image.size) for number, one in objects)  # one by one: masks are large
        truth = painted(found, image.size)
        if truth.objects and (self._lvis or ABSENT in photo):
            truth = replace(truth, objects=looked_for(truth.objects, photo, self._categories, self.file))
        return Image(image.pixels, image.sha256, image.uri, keep_classes(truth, self._kept))

    def _object(self, number: int, one: Mapping[str, Any], size: tuple[int, int]) -> AnnotatedObject:
        category = self._categories[one["category_id"]]
        mask = read_mask(one.get("segmentation"), size, f"annotation {number} of {self.file}")
        is_crowd, area = bool(one.get("iscrowd", 0)), stated_area(one)
        return AnnotatedObject(category.name, category.is_thing is not False, mask, is_crowd, area)


def stated_area(one: Mapping[str, Any]) -> float | None:
    """The area of an object as its record states it; None where it states none that can be."""
    area = one.get("area")
    if not isinstance(area, int | float) or isinstance(area, bool) or not math.isfinite(area) or area < 0:
        return None
    return float(area)


def _named(document: dict[str, Any]) -> dict[str, Any]:
    """Images without `file_name` (LVIS) get the end of their `coco_url`."""
    for one in document["images"]:
        if isinstance(one, dict) and "file_name" not in one and isinstance(one.get("coco_url"), str):
            one["file_name"] = "/".join(one["coco_url"].split("/")[-2:])
    return document


def _different(photos: dict[Any, dict[str, Any]], file: Path) -> dict[Any, dict[str, Any]]:
    """The image records themselves. Raises DataError where two name one photo."""
    seen: set[str] = set()
    for number, one in enumerate(photos.values()):
        if one["file_name"] in seen:
            got = f"{one['file_name']!r} twice"
            raise DataError(f"one image per photo in image {number} of {file}", got, "join the two under one id")
        seen.add(one["file_name"])
    return photos


def categories_of(document: Mapping[str, Any], file: Path) -> dict[int, SourceClass]:
    """By their ids, in the file's order. Raises DataError."""
    found: dict[int, SourceClass] = {}
    spelled = _spaced if is_lvis(document, file) else as_text
    for number, one in enumerate(document["categories"]):
        try:
            where = f"category {number} of {file}"
            name, terms = checked_name(spelled(one["name"]), where), one.get("synonyms", ())
            terms = [term for term in terms.split(",") if term.strip()] if isinstance(terms, str) else terms
            synonyms = dict.fromkeys(checked_name(spelled(raw), where) for raw in terms)
            synonyms.pop(name, None)
            new = SourceClass(name, bool(int(one.get("isthing", 1))), tuple(synonyms), int(one["id"]))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise bad_record(file, f"category {number}", "id and name, synonyms as a list", error) from error
        if new.native_id in found:
            raise DataError(f"different category ids in {file}", f"{name!r} ({new.native_id}) twice", "remove one")
        found[new.native_id] = new
    return found


def _spaced(value: Any) -> str:
    """LVIS's "alarm_clock" as people write it."""
    return spaced(as_text(value))


def objects_of(
    document: Mapping[str, Any], file: Path, categories: Mapping[int, Any], photos: Mapping[Any, Any]
) -> Mapping[Any, list[tuple[int, dict[str, Any]]]]:
    """image id -> (place in the file, record) of its objects."""
    found: defaultdict[Any, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for number, one in enumerate(document["annotations"]):
        try:
            category, image = one["category_id"], one["image_id"]
            known = (category in categories, image in photos)
        except (KeyError, TypeError) as error:
            raise bad_record(file, f"annotation {number}", "image_id, category_id, segmentation", error) from error
        if not all(known):
            what, value = ("a known category", category) if not known[0] else ("an image", image)
            raise DataError(f"{what} for annotation {number} of {file}", f"id {value!r}, which is not there", "add it")
        found[image].append((number, one))
    return found
