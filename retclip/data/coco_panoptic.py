"""COCO panoptic annotations, read: a JSON of segments and a PNG of ids (id = R + 256 G + 65536 B, 0 = void).

Found in any of these layouts: `panoptic_SPLIT.json` beside `panoptic_SPLIT/` and `images/SPLIT/`; the official
`annotations/panoptic_SPLIT.json`, `annotations/panoptic_SPLIT/` and `SPLIT/`; without a split `panoptic.json`,
`panoptic/`, `images/`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from retclip.data.class_choice import AnnotatedSettings, chosen, data_set_name, keep_classes
from retclip.data.coco_records import (
    as_text,
    bad_record,
    first_of,
    photos_by_id,
    read_document,
    real_categories,
    stay_inside,
)
from retclip.data.images import file_digest, read_image, read_png
from retclip.errors import DataError
from retclip.names import checked_name
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image, PanopticSegmentation, SegmentInfo

POWERS = np.array([1, 256, 65536], dtype=np.int32)


class CocoPanopticSettings(AnnotatedSettings):
    annotations: str = Field("", description="the JSON file, if it lies elsewhere")
    images: str = Field("", description="the folder of photos, if it lies elsewhere")


class CocoPanoptic:
    """An ImageSource over one split."""

    def __init__(self, settings: CocoPanopticSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split  # absolute: stored with each photo
        dotted = f"_{split}" if split else ""
        places = [root / f"panoptic{dotted}.json", root / "annotations" / f"panoptic{dotted}.json"]
        self.file = (
            Path(settings.annotations).absolute()
            if settings.annotations
            else first_of(places, f"{root}, split {split!r}")
        )
        photos = [root / "images" / split, root / split, root / "images"]
        self.photos = (
            Path(settings.images).absolute() if settings.images else first_of(photos, f"the photos of {self.file}")
        )
        self.masks = self.file.with_suffix("")
        self._document = read_document(self.file, "panoptic")
        self._categories = real_categories(_categories(self._document, self.file), self._document, self.file)
        self._classes = chosen(list(self._categories.values()), settings)
        self._kept = frozenset(one.name for one in self._classes)
        self._annotations = _annotations(self._document, self.file, self._categories)
        self.name = data_set_name(root, split)

    def classes(self) -> Sequence[SourceClass]:
        """In the order of the file's categories."""
        return self._classes

    def __len__(self) -> int:
        return len(self._annotations)

    def images(self) -> Iterator[SourceImage]:
        """In the order of the file's annotations."""
        kinds = sorted((key, one.name, one.is_thing) for key, one in self._categories.items())
        for photo, annotation in self._annotations:
            path = self.photos / photo["file_name"]
            named = {self._categories[one["category_id"]].name for one in annotation["segments_info"]}
            canonical = json.dumps([annotation, kinds, sorted(self._kept)], sort_keys=True)
            yield SourceImage(
                external_id=photo["file_name"],
                uri=str(path),
                load=partial(self._load, path, annotation),
                file_digest=partial(file_digest, path),
                class_names=tuple(one.name for one in self._classes if one.name in named),
                annotation_digest=hashlib.sha256(canonical.encode()).hexdigest(),
            )

    def _load(self, path: Path, annotation: Mapping[str, Any]) -> Image:
        image = read_image(path)
        truth = read_panoptic(self.masks / annotation["file_name"], annotation["segments_info"], self._categories)
        if truth.label_map.shape != image.size:
            raise DataError(
                f"an annotation of size {image.size} for {path}", f"{truth.label_map.shape}", "match photo and PNG"
            )
        return Image(image.pixels, image.sha256, image.uri, keep_classes(truth, self._kept))


def read_panoptic(
    png: Path, segments: Sequence[Mapping[str, Any]], categories: Mapping[int, SourceClass]
) -> PanopticSegmentation:
    """A PNG of ids with its segments. Raises DataError where the two disagree."""
    colours = read_png(png)
    if colours.ndim != 3 or colours.shape[2] < 3:
        raise DataError(f"an RGB PNG of segment ids: {png}", f"shape {colours.shape}", "export it as COCO panoptic")
    label_map = (colours[..., :3].astype(np.int32) @ POWERS).astype(np.int32)
    ids, areas = np.unique(label_map, return_counts=True)
    counted = {int(i): int(area) for i, area in zip(ids, areas, strict=True) if i}
    named = {int(one["id"]) for one in segments}
    if counted.keys() != named:
        strange = sorted(counted.keys() ^ named)[:5]
        raise DataError(f"the same ids in {png} and its JSON", f"only in one of them: {strange}", "export both again")
    infos = tuple(_info(one, categories, counted) for one in segments)
    return PanopticSegmentation(label_map, infos)


def _info(one: Mapping[str, Any], categories: Mapping[int, SourceClass], areas: Mapping[int, int]) -> SegmentInfo:
    category = categories[one["category_id"]]
    crowd = bool(one.get("iscrowd", 0))
    return SegmentInfo(
        int(one["id"]), category.name, category.is_thing is not False, areas[int(one["id"])], is_crowd=crowd
    )


def _categories(document: Mapping[str, Any], file: Path) -> dict[int, SourceClass]:
    found: dict[int, SourceClass] = {}
    for number, one in enumerate(document["categories"]):
        try:
            name = checked_name(one["name"], f"category {number} of {file}")
            new = SourceClass(name, bool(int(one["isthing"])), native_id=int(one["id"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise bad_record(file, f"category {number}", "id, name and isthing", error) from error
        if new.native_id in found:
            raise DataError(f"different category ids in {file}", f"{name!r} ({new.native_id}) twice", "remove one")
        found[new.native_id] = new
    return found


def _annotations(
    document: Mapping[str, Any], file: Path, categories: Mapping[int, SourceClass]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(image, annotation) records that belong together, every key that is needed checked."""
    photos = photos_by_id(document, file)
    found = []
    seen: set[str] = set()
    for number, one in enumerate(document["annotations"]):
        try:
            image_id, name, segments = one["image_id"], as_text(one["file_name"]), list(one["segments_info"])
            strange = [s["category_id"] for s in segments if s["category_id"] not in categories]
            ids = [int(s["id"]) for s in segments]
            photo = photos.get(image_id, {"file_name": str(Path(name).with_suffix(".jpg"))} if not photos else None)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise bad_record(file, f"annotation {number}", "image_id, file_name and segments_info", error) from error
        where = f"annotation {number} ({name}) of {file}"
        if strange:
            raise DataError(f"known categories in {where}", f"category {strange[0]}", "add it to `categories`")
        if len(set(ids)) != len(ids) or any(i <= 0 for i in ids):
            raise DataError(f"different segment ids above 0 in {where}", f"{ids[:10]}", "number them anew")
        if photo is None:
            raise DataError(f"an image for {where}", f"image_id {image_id!r}, which is not there", "add it to `images`")
        if photo["file_name"] in seen:
            raise DataError(f"one annotation per photo in {where}", f"{photo['file_name']!r} twice", "remove one")
        seen.add(photo["file_name"])
        stay_inside(name, where)
        found.append((photo, one))
    return found
