"""What the demo shows of real photos: names of one's own without a store, a starter memory, a class added from three
crops, and why.

The photos are free for anybody; they and the starter memory come with the plugin `starter`, the network with `timm`.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

from retclip.cli.demo_steps import Picture
from retclip.data.images import write_png
from retclip.data.inputs import as_image
from retclip.engine import RetCLIP
from retclip.plugin.local_files import local_file
from retclip.report.result_summary import summary_line
from retclip.result import SegmentationResult
from retclip.types import SegmentInfo
from retclip.workflows.classes.marks import Marks

PRESET, MEMORY = "photos", "starter"
LIST = "package:retclip_starter/photos/photos.csv"  # file, licence, origin, what can be seen
# What is asked of each photo: first without a store, then of all with the starter memory.
ALONE = {
    "cat.jpg": "cat, dog",
    "dogs.jpg": "dog, cat",
    "stop_sign.jpg": "street sign, car",
    "cyclists.jpg": "bicycle, car",
}
NAMES = {
    "stop_sign.jpg": "street sign, car, road, tree, sky",
    "cyclists.jpg": "person, bicycle, road, tree, sky",
    "street.jpg": "person, motorcycle, truck, road, tree, pavement",
    "astronaut.jpg": "person, flag, wall",
    "coffee.jpg": "cup, spoon, dining table",
    "dogs.jpg": "dog, person, floor, wall",
    "cat.jpg": "cat, dog, person, wall",
    "rocket.jpg": "rocket, tower, sky",
}
ADDED, SHOWN, ASKED_THEN = "wood", "coffee.jpg", "cup, spoon, wood"  # the class, and the photo that it is looked for in
CROPS = ((20, 20, 200, 110), (430, 250, 590, 390), (10, 250, 90, 390))  # of that photo: x0 y0 x1 y1, pixels


class PhotoDemo:
    """The demo's part on real photos."""

    def __init__(self, out: Path) -> None:
        self.out, self.store = out, out / "photo_store"
        self.photos = _copied(out / "photos")

    def values(self) -> dict[str, Any]:
        """Run every step; return what the page shows."""
        asked = self._asked()
        with RetCLIP.open(self.store, settings={"preset": PRESET}, create=True) as memory:
            starter = memory.classes.import_(MEMORY)
            labelled = [
                self._picture(
                    memory.segment(self.photos[name], names), f"{_title(name)}, asked for {names}, starter memory"
                )
                for name, names in NAMES.items()
            ]
            before = memory.segment(self.photos[SHOWN], ASKED_THEN)
            addition = memory.classes.add(ADDED, self._crops(), thing=False, marks=Marks(crops=True))
            after = memory.segment(self.photos[SHOWN], ASKED_THEN)
            after.explain(_largest(after, ADDED)).save(self.out / "photo_why.png")
        return {
            "asked": asked,
            "memory": {"segments": starter.segments, "classes": len(starter.per_class), "photos": starter.photos},
            "labelled": labelled,
            "added": ADDED,
            "names": ASKED_THEN,
            "crops": len(CROPS),
            "shown": SHOWN,
            "event": addition.events[-1],
            "changed": [self._picture(before, "before"), self._picture(after, "after")],
            "why": "photo_why.png",
        }

    def _asked(self) -> list[Picture]:
        """Return photos labelled by names alone."""
        with RetCLIP.open(settings={"preset": PRESET}, missing_ok=True) as nobody:
            return [
                self._picture(nobody.segment(self.photos[name], names), f"{_title(name)}, asked for {names}")
                for name, names in ALONE.items()
            ]

    def _crops(self) -> str:
        """Cut the added class out of a photo; return the folder of the crops."""
        folder = self.out / "crops"
        pixels = as_image(self.photos[SHOWN]).pixels  # (H, W, 3)
        for number, (left, top, right, bottom) in enumerate(CROPS):
            write_png(folder / f"{number}.png", pixels[top:bottom, left:right])
        return str(folder)

    def _picture(self, result: SegmentationResult, caption: str) -> Picture:
        file = f"photo_pictures/{''.join(letter if letter.isalnum() else '_' for letter in caption)}.png"
        write_png(self.out / file, result.overlay())
        return Picture(file, f"{caption}: {summary_line(result.panoptic)}")


def _copied(folder: Path) -> dict[str, Path]:
    """Copy the photos, and the list that says where they come from, to where whoever goes on finds them.

    Raises WeightsMissing where the plugin that brings them is not installed.
    """
    table = local_file(LIST)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(table, folder)
    with table.open(encoding="utf-8", newline="") as lines:
        names = [row["file"] for row in csv.DictReader(lines)]
    return {name: Path(shutil.copy(table.with_name(name), folder)) for name in names}


def _title(name: str) -> str:
    return Path(name).stem.replace("_", " ")


def _largest(result: SegmentationResult, name: str) -> SegmentInfo:
    """Return the largest segment of a class, else the largest of all."""
    return max(result.segments, key=lambda segment: (segment.class_name == name, segment.area))
