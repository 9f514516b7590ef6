"""COCO panoptic annotations, written: a PNG of ids per image and one JSON; reading them back gives the same maps.

Several runs may write into one folder: the JSON always lists everything that lies there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from retclip.data.images import make_folder, write_png
from retclip.documents import read_text
from retclip.errors import DataError
from retclip.own_files import written_whole
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation

LARGEST_ID = 256**3 - 1


class PanopticWriter:
    """Writes FOLDER/NAME/*.png and, on `close`, FOLDER/NAME.json. NAME is `panoptic` unless given.

    Images that an earlier run wrote there stay listed unless they are written again. Raises DataError where the JSON
    that is there cannot be read."""

    def __init__(self, folder: Path, classes: Sequence[SourceClass], name: str = "panoptic") -> None:
        self.folder, self.name = folder, name
        own = {one.native_id for one in classes}  # the classes' own numbers, where each has one of its own
        numbered = len(own) == len(classes) and min(own, default=0) >= 0
        earlier = _earlier(folder / f"{name}.json")
        self._kept: dict[str, tuple[dict[str, Any], dict[str, Any]]] = earlier.images  # PNG -> (image, annotation)
        self._stems = {image["file_name"]: Path(png).with_suffix("").as_posix() for png, (image, _) in
                       earlier.images.items()}  # fmt: skip
        self._ids = dict(earlier.ids)
        for number, one in enumerate(classes, 1):
            wanted = one.native_id if numbered else number
            free = wanted not in self._ids.values()
            self._ids.setdefault(one.name, wanted if free else max(self._ids.values()) + 1)
        things = {**earlier.things, **{one.name: one.is_thing is not False for one in classes}}
        self._categories = [{"id": self._ids[key], "name": key, "isthing": int(things[key])} for key in self._ids]
        self._added = False
        make_folder(folder / name)

    def stem_of(self, photo: str) -> str | None:
        """Of the image that the JSON lists under a photo's file name; None where there is none."""
        return self._stems.get(photo)

    def add(self, stem: str, result: PanopticSegmentation, photo: str = "") -> None:
        """Write one image's map as STEM.png. photo: the photo's file name. Raises DataError for an id or a class that
        the format cannot hold."""
        label_map = result.label_map
        if label_map.min(initial=0) < 0 or label_map.max(initial=0) > LARGEST_ID:
            raise DataError(f"segment ids in 0..{LARGEST_ID}", f"{label_map.min()}..{label_map.max()}", "renumber")
        colours = np.stack([label_map % 256, label_map // 256 % 256, label_map // 65536], axis=-1).astype(np.uint8)
        write_png(self.folder / self.name / f"{stem}.png", colours)
        height, width = label_map.shape
        image = {"file_name": photo or f"{stem}.jpg", "height": height, "width": width}
        self._stems[image["file_name"]] = stem
        self._kept[f"{stem}.png"] = image, {"file_name": f"{stem}.png", "segments_info": self._segments(result)}
        self._added = True

    def close(self) -> None:
        """Write the JSON; whole or not at all. One that is there stays as it is where nothing was added."""
        if not self._added and (self.folder / f"{self.name}.json").exists():
            return
        images = [{"id": number, **image} for number, (image, _) in enumerate(self._kept.values(), 1)]
        annotations = [{"image_id": number, **one} for number, (_, one) in enumerate(self._kept.values(), 1)]
        document = {"images": images, "annotations": annotations, "categories": self._categories}
        path = self.folder / f"{self.name}.json"
        text = json.dumps(document, ensure_ascii=False)
        with written_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # a file name may be no Unicode

    def _segments(self, result: PanopticSegmentation) -> list[dict[str, Any]]:
        boxes = _boxes(result)
        found = []
        for one in result.segments:
            if one.class_name not in self._ids:
                raise DataError("a class that was announced", repr(one.class_name), "give all classes at the start")
            box, area = boxes[one.id]
            record = {"id": one.id, "category_id": self._ids[one.class_name], "area": area, "bbox": box}
            found.append({**record, "iscrowd": int(one.is_crowd), "score": round(one.score, 6)})
        return found


@dataclass(frozen=True)
class _Earlier:
    """What the JSON of an earlier run says. images: PNG -> (image, annotation), without their numbers."""

    images: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    things: Mapping[str, bool] = field(default_factory=dict)


def _earlier(path: Path) -> _Earlier:
    if not path.exists():
        return _Earlier()
    try:
        document = json.loads(read_text(path, "result of an earlier run"))
        photos = {one.pop("id"): one for one in document["images"]}
        images = {one["file_name"]: (photos[one.pop("image_id")], one) for one in document["annotations"]}
        ids = {str(one["name"]): int(one["id"]) for one in document["categories"]}
        return _Earlier(images, ids, {str(one["name"]): bool(one["isthing"]) for one in document["categories"]})
    except (DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(
            f"the COCO panoptic JSON of an earlier run: {path}", got, "write into another folder"
        ) from error


def _boxes(result: PanopticSegmentation) -> dict[int, tuple[list[int], int]]:
    """Per id [x, y, width, height] and the area, counted in the map."""
    found: dict[int, tuple[list[int], int]] = {one.id: ([0, 0, 0, 0], 0) for one in result.segments}
    for one in result.segments:
        rows, columns = np.nonzero(result.label_map == one.id)
        if len(rows):
            x, y = int(columns.min()), int(rows.min())
            found[one.id] = ([x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1], len(rows))
    return found
