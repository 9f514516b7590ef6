"""The full ADE20K, read: `index_ade20k.pkl` and the photos of `images/ADE/SPLIT/`, each with `NAME_seg.png` beside it.

In those, a pixel's class is its place in the index' `objectnames`, R // 10 x 256 + G, counted from 1; B tells the
instances apart. The index does not say which classes are things, so a setting names a list. Parts
(`NAME_parts_1.png`) are not read. Source of the layout: CSAILVision/ADE20K, utils/utils_ade20k.py. The index is a
pickle of any protocol, 0 to 5: texts, numbers and arrays are taken from it, whatever else it holds is refused.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.data.class_choice import data_set_name
from retclip.data.file_bytes import ReadOnce
from retclip.data.images import SUFFIXES, read_png
from retclip.data.readers.label_maps.id_map_source import IdMapSource
from retclip.data.readers.label_maps.map_pairs import UNUSED, MapSettings, Pairs, with_maps
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import LONGEST, checked_name, name_key
from retclip.passed_over import Tally
from retclip.plugin.contracts import SourceClass

INDEX, MAP = "index_ade20k.pkl", "_seg.png"
INSTANCES = 256  # of a class in one photo, in the blue channel
HARMLESS = {  # what a pickle of arrays names, numpy's own modules by the name that they have since numpy 2
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),  # protocol 5
}


class AdeFull(IdMapSource):
    """An ImageSource over one split."""

    def __init__(self, settings: MapSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split or "training"
        photos = root / "images" / "ADE" / split
        classes = _classes(_names(root / INDEX))
        super().__init__(data_set_name(root, split), photos, classes, _pairs(photos), settings)

    def keys(self, file: ReadOnce) -> NDArray[np.int64]:
        """Return (H, W) int64, class x 256 + instance. Raises DataError where the map holds no colours."""
        colours = read_png(file)
        if colours.ndim != 3 or colours.shape[2] < 3:
            raise DataError(f"an RGB PNG of classes and instances: {file}", f"shape {colours.shape}", "unpack it again")
        red, green, blue = (colours[..., channel].astype(np.int64) for channel in range(3))
        classes = red // 10 * 256 + green
        return np.where(classes > 0, classes * INSTANCES + blue, 0)

    def is_foreign(self, key: int) -> bool:
        """Return whether the index lacks the key's class."""
        return self.class_number(key) not in self._by_id

    def class_number(self, key: int) -> int:
        """Return the key without its instance."""
        return key // INSTANCES


class _Plain(pickle.Unpickler):
    """Reads texts, numbers and arrays. Raises pickle.UnpicklingError for whatever else a pickle could make."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):  # protocols 0 to 2 of Python 3 spell bytes as a text to encode
            return _latin1
        current = module.replace("numpy.core.", "numpy._core.", 1)
        if (current, name) not in HARMLESS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which no index needs")
        return super().find_class(current, name)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes in {encoding}, which no pickle writes")
    return text.encode("latin1")


def _names(index: Path) -> list[str]:
    """Return the index' class names, each with its synonyms after commas. Raises DataError."""
    try:
        with index.open("rb") as file:
            names = list(_Plain(file, encoding="latin1").load()["objectnames"])
    except Exception as error:  # a pickle may raise anything
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"the index with `objectnames`: {index}", got, "unpack the data set again") from error
    if not names or not all(isinstance(name, str) and name.strip(" ,") for name in names):
        raise DataError(f"texts under `objectnames` in {index}", brief(names), "unpack the data set again")
    return names


def _classes(names: list[str]) -> list[SourceClass]:
    """Return the classes: the first term is the name, or all terms where another class has that name already."""
    taken: set[str] = set()
    classes = []
    for number, joined in enumerate(names, start=1):
        where = f"name {number} of {INDEX}"
        terms = [checked_name(term, where) for term in joined.split(",") if term.strip()]
        choices = (terms[0], ", ".join(terms))
        free = (choice for choice in choices if name_key(choice) not in taken and len(choice) <= LONGEST)
        name = next(free, f"{terms[0][: LONGEST - 12]} ({number})")
        taken.add(name_key(name))
        classes.append(SourceClass(name, None, tuple(dict.fromkeys(t for t in terms if t != name)), number))
    return classes


def _pairs(photos: Path) -> Pairs:
    if not photos.is_dir():
        raise DataError(f"the photos' folder {photos}", "nothing there", "check path and split (training, validation)")
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in SUFFIXES and path.suffix != ".png")

    def map_of(photo: Path) -> Path | None:
        label = photo.with_name(f"{photo.stem}{MAP}")
        return label if label.is_file() else None

    pairs = with_maps(files, map_of, photos, photos)
    used = {label for _, label in pairs if isinstance(label, Path)}
    tally = Tally()
    tally.skip(UNUSED, len(set(photos.rglob(f"*{MAP}")) - used))
    return Pairs(pairs, tally.total)
