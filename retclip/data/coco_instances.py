"""COCO instance annotations and LVIS, read: a JSON of objects with polygons or run lengths.

Found as `instances_SPLIT.json` or `lvis_v1_SPLIT.json` in the folder or in `annotations/`, without a split as
`instances.json`; photos in `images/SPLIT/`, `SPLIT/` or `images/`. LVIS names no files: its photos are COCO's, named by
the last two parts of `coco_url`. Objects may overlap; smaller ones are painted over larger ones, the rest is void.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from retclip.data.class_choice import chosen, data_set_name, keep_classes
from retclip.data.coco_panoptic import CocoPanopticSettings
from retclip.data.coco_records import as_text, bad_record, first_of, photos_by_id, read_document
from retclip.data.images import file_digest, read_image
from retclip.data.object_masks import read_mask
from retclip.data.painted_objects import AnnotatedObject, painted
from retclip.errors import DataError
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
        self._categories = categories_of(document, self.file)
        self._classes = chosen(list(self._categories.values()), settings)
        self._kept = frozenset(one.name for one in self._classes)
        self._photos = photos_by_id(document, self.file)
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
                load=partial(self._load, path, objects),
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

    def _load(self, path: Path, objects: Sequence[tuple[int, Mapping[str, Any]]]) -> Image:
        image = read_image(path)
        found = []
        for number, one in objects:
            category = self._categories[one["category_id"]]
            mask = read_mask(one.get("segmentation"), image.size, f"annotation {number} of {self.file}")
            crowd = bool(one.get("iscrowd", 0))
            found.append(AnnotatedObject(category.name, category.is_thing is not False, mask, crowd))
        return Image(image.pixels, image.sha256, image.uri, keep_classes(painted(found, image.size), self._kept))


def _named(document: dict[str, Any]) -> dict[str, Any]:
    """Images without `file_name` (LVIS) get the end of their `coco_url`."""
    for one in document["images"]:
        if isinstance(one, dict) and "file_name" not in one and isinstance(one.get("coco_url"), str):
            one["file_name"] = "/".join(one["coco_url"].split("/")[-2:])
    return document


def categories_of(document: Mapping[str, Any], file: Path) -> dict[int, SourceClass]:
    found: dict[int, SourceClass] = {}
    names: set[str] = set()
    for number, one in enumerate(document["categories"]):
        try:
            name = as_text(one["name"])
            terms = tuple(as_text(term) for term in one.get("synonyms", ()))
            new = SourceClass(
                name, bool(int(one.get("isthing", 1))), tuple(t for t in terms if t != name), int(one["id"])
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise bad_record(file, f"category {number}", "id and name, synonyms as a list", error) from error
        if new.native_id in found or name in names:
            raise DataError(f"different categories in {file}", f"{name!r} ({new.native_id}) twice", "remove one")
        found[int(one["id"])] = new
        names.add(name)
    return found


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
