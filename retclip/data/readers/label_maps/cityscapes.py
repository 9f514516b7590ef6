"""Cityscapes, read: `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and `gtFine/SPLIT/CITY/*_gtFine_instanceIds.png`.

The 19 classes of its benchmark; what that leaves out (parking, bridge, licence plate, ...) is void. A thing's pixels
hold class x 1000 + number; those of a group that nobody told apart hold the class alone, and count as a crowd.
Source of the numbers: cityscapesScripts, helpers/labels.py (MIT).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from retclip.data.class_choice import data_set_name
from retclip.data.file_bytes import ReadOnce
from retclip.data.images import read_deep_png
from retclip.data.photo_files import not_a_photo
from retclip.data.readers.label_maps.id_map_source import VOID, IdMapSource
from retclip.data.readers.label_maps.map_pairs import UNUSED, MapSettings, Pairs, with_maps
from retclip.errors import DataError
from retclip.passed_over import Tally
from retclip.plugin.contracts import SourceClass

STUFF = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
}  # fmt: skip
THINGS = {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}
INSTANCES = 1000  # of a class: keys from class x 1000
CLASSES = 34  # numbers of classes, those that the benchmark leaves out among them
PHOTO, MAP = "_leftImg8bit.png", "_instanceIds.png"


class CityscapesSettings(MapSettings):
    """Settings of a Cityscapes source."""

    annotations: str = Field("gtFine", description="the folder of annotations: gtFine or gtCoarse")


class Cityscapes(IdMapSource):
    """An ImageSource over one split."""

    def __init__(self, settings: CityscapesSettings) -> None:
        root = Path(settings.path).absolute()
        split = settings.split or "train"
        photos, maps = root / "leftImg8bit" / split, root / settings.annotations / split
        classes = [SourceClass(name, False, native_id=number) for number, name in STUFF.items()]
        classes += [SourceClass(name, True, native_id=number) for number, name in THINGS.items()]
        pairs = _pairs(photos, maps, settings.annotations)
        super().__init__(data_set_name(root, split), photos, classes, pairs, settings)

    def keys(self, file: ReadOnce) -> NDArray[np.int64]:
        """Return (H, W) int64, the pixels as they are."""
        return read_deep_png(file).astype(np.int64)

    def is_foreign(self, key: int) -> bool:
        """Return whether Cityscapes has no such class, of an instance or of a region."""
        return self.class_number(key) >= CLASSES

    def class_number(self, key: int) -> int:
        """Return the class of an instance or a region."""
        return key // INSTANCES if key >= INSTANCES else key

    def is_crowd(self, key: int) -> bool:
        """Return whether the key is a group of things."""
        return VOID < key < INSTANCES and key in THINGS


def _pairs(photos: Path, maps: Path, annotations: str) -> Pairs:
    """Return the pairs by city and name. Raises DataError where a folder, every photo or every map is missing."""
    if not photos.is_dir() or not maps.is_dir():
        missing = photos if not photos.is_dir() else maps
        raise DataError(f"{photos} and {maps}", f"no folder {missing}", "check path and split")

    def map_of(photo: Path) -> Path | None:
        label = maps / photo.parent.name / f"{photo.name.removesuffix(PHOTO)}_{annotations}{MAP}"
        return label if label.is_file() else None

    files = sorted(photos.glob(f"*/*{PHOTO}"))
    if not files:
        raise DataError(f"CITY/*{PHOTO} in {photos}", "none", "unpack both archives; check path and split")
    pairs = with_maps(files, map_of, photos, maps)
    tally = Tally()
    for file in sorted(set(photos.glob("*/[!.]*")) - set(files)):
        tally.skip(not_a_photo(file))
    used = {label for _, label in pairs if isinstance(label, Path)}
    tally.skip(UNUSED, len(set(maps.glob(f"*/*_{annotations}{MAP}")) - used))
    return Pairs(pairs, tally.total)
