"""COCO panoptic annotations, written: a PNG of ids per image and one JSON; reading them back gives the same maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retclip.data.images import write_png
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation

LARGEST_ID = 256**3 - 1


class PanopticWriter:
    """Writes FOLDER/NAME/*.png and, on `close`, FOLDER/NAME.json. NAME is `panoptic` unless given."""

    def __init__(self, folder: Path, classes: Sequence[SourceClass], name: str = "panoptic") -> None:
        self.folder, self.name = folder, name
        own = {one.native_id for one in classes}  # the classes' own numbers, where each has one of its own
        numbered = len(own) == len(classes) and min(own, default=0) >= 0
        self._ids = {one.name: one.native_id if numbered else number for number, one in enumerate(classes, 1)}
        self._categories = [
            {"id": self._ids[one.name], "name": one.name, "isthing": int(one.is_thing)} for one in classes
        ]
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        (folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, stem: str, result: PanopticSegmentation, photo: str = "") -> None:
        """Write one image's map as STEM.png. photo: the photo's file name. Raises DataError for an id or a class that
        the format cannot hold."""
        label_map = result.label_map
        if label_map.min(initial=0) < 0 or label_map.max(initial=0) > LARGEST_ID:
            raise DataError(f"segment ids in 0..{LARGEST_ID}", f"{label_map.min()}..{label_map.max()}", "renumber")
        colours = np.stack([label_map % 256, label_map // 256 % 256, label_map // 65536], axis=-1).astype(np.uint8)
        write_png(self.folder / self.name / f"{stem}.png", colours)
        number, (height, width) = len(self._images) + 1, label_map.shape
        self._images.append({"id": number, "file_name": photo or f"{stem}.jpg", "height": height, "width": width})
        segments = self._segments(result)
        self._annotations.append({"image_id": number, "file_name": f"{stem}.png", "segments_info": segments})

    def close(self) -> None:
        """Write the JSON; whole or not at all."""
        document = {"images": self._images, "annotations": self._annotations, "categories": self._categories}
        path = self.folder / f"{self.name}.json"
        temporary = path.with_name(f".{path.name}.tmp")
        text = json.dumps(document, ensure_ascii=False)
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # a file name may be no Unicode
        temporary.replace(path)

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


def _boxes(result: PanopticSegmentation) -> dict[int, tuple[list[int], int]]:
    """Per id [x, y, width, height] and the area, counted in the map."""
    found: dict[int, tuple[list[int], int]] = {one.id: ([0, 0, 0, 0], 0) for one in result.segments}
    for one in result.segments:
        rows, columns = np.nonzero(result.label_map == one.id)
        if len(rows):
            x, y = int(columns.min()), int(rows.min())
            found[one.id] = ([x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1], len(rows))
    return found
