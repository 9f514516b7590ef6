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
from numpy.typing import NDArray

from retclip.algorithms.pixel_counts import box
from retclip.data.images import make_folder, write_png
from retclip.documents import read_text
from retclip.errors import DataError
from retclip.own_files import written_whole
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation

LARGEST_ID = 256**3 - 1


class PanopticWriter:
    """Writes FOLDER/NAME/*.png and, on `close`, FOLDER/NAME.json.

    Images of an earlier run stay listed unless they are written again.

    classes: every class of the results.
    name: of the folder and the JSON.

    Raises DataError where an existing JSON cannot be read.
    """

    def __init__(self, folder: Path, classes: Sequence[SourceClass], name: str = "panoptic") -> None:
        self.folder, self.name = folder, name
        own = {
            source_class.native_id for source_class in classes
        }  # the classes' own numbers, where each has one of its own
        numbered = len(own) == len(classes) and min(own, default=0) >= 0
        earlier = _earlier(folder / f"{name}.json")
        self._kept: dict[str, tuple[dict[str, Any], dict[str, Any]]] = earlier.images  # PNG -> (image, annotation)
        self._stems = {image["file_name"]: Path(png).with_suffix("").as_posix() for png, (image, _) in
                       earlier.images.items()}  # fmt: skip
        self._ids = dict(earlier.ids)
        for number, source_class in enumerate(classes, 1):
            native_id = source_class.native_id if numbered else number
            free = native_id not in self._ids.values()
            self._ids.setdefault(source_class.name, native_id if free else max(self._ids.values()) + 1)
        kinds = {
            **earlier.things,
            **{source_class.name: source_class.is_thing is not False for source_class in classes},
        }
        self._categories = [{"id": self._ids[key], "name": key, "isthing": int(kinds[key])} for key in self._ids]
        self._added = False
        make_folder(folder / name)

    def stem_of(self, photo: str) -> str | None:
        """Return the stem of the image that the JSON lists under a photo's file name; None without one."""
        return self._stems.get(photo)

    def add(self, stem: str, result: PanopticSegmentation, photo: str = "") -> None:
        """Write one image's map as STEM.png. photo: the photo's file name. Raises DataError for an id or a class that
        the format cannot hold."""
        label_map = result.label_map
        if label_map.min(initial=0) < 0 or label_map.max(initial=0) > LARGEST_ID:
            raise DataError(f"segment ids in 0..{LARGEST_ID}", f"{label_map.min()}..{label_map.max()}", "renumber")
        write_png(self.folder / self.name / f"{stem}.png", _colours(label_map))
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
        annotations = [
            {"image_id": number, **annotation} for number, (_, annotation) in enumerate(self._kept.values(), 1)
        ]
        document = {"images": images, "annotations": annotations, "categories": self._categories}
        path = self.folder / f"{self.name}.json"
        text = json.dumps(document, ensure_ascii=False)
        with written_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # a file name may be no Unicode

    def _segments(self, result: PanopticSegmentation) -> list[dict[str, Any]]:
        boxes = _boxes(result)
        infos = []
        for segment in result.segments:
            if segment.class_name not in self._ids:
                raise DataError("a class that was announced", repr(segment.class_name), "give all classes at the start")
            bounds, area = boxes[segment.id]
            record = {"id": segment.id, "category_id": self._ids[segment.class_name], "area": area, "bbox": bounds}
            infos.append({**record, "iscrowd": int(segment.is_crowd), "score": round(segment.score, 6)})
        return infos


@dataclass(frozen=True)
class _Earlier:
    """The JSON of an earlier run.

    images: (image, annotation) by the PNG's name, without their numbers.
    """

    images: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    things: Mapping[str, bool] = field(default_factory=dict)


def _earlier(path: Path) -> _Earlier:
    if not path.exists():
        return _Earlier()
    try:
        document = json.loads(read_text(path, "result of an earlier run"))
        photos = {photo.pop("id"): photo for photo in document["images"]}
        images = {
            annotation["file_name"]: (photos[annotation.pop("image_id")], annotation)
            for annotation in document["annotations"]
        }
        ids = {str(category["name"]): int(category["id"]) for category in document["categories"]}
        return _Earlier(
            images, ids, {str(category["name"]): bool(category["isthing"]) for category in document["categories"]}
        )
    except (DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(
            f"the COCO panoptic JSON of an earlier run: {path}", got, "write into another folder"
        ) from error


def _colours(label_map: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return (H, W, 3): id = red + 256 green + 65536 blue, so the lower three bytes of each."""
    lowest_first = np.ascontiguousarray(label_map, dtype="<i4").view(np.uint8)  # (H, 4 W)
    return np.ascontiguousarray(lowest_first.reshape(*label_map.shape, 4)[..., :3])


def _boxes(result: PanopticSegmentation) -> dict[int, tuple[list[int], int]]:
    """Return [x, y, width, height] and the area by segment id, counted in the map."""
    boxes = {}
    for segment in result.segments:
        pixels = result.label_map == segment.id
        boxes[segment.id] = list(box(pixels)), int(np.count_nonzero(pixels))
    return boxes
