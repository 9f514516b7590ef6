"""Label maps: one byte per pixel and a list of classes; CamVid's and many own data sets' form.

FOLDER/classes.json ([{"id", "name", "isthing", "prompt_names"}], "void_id") or FOLDER/classes.txt (a name per line, ids
from 0), FOLDER[/SPLIT]/images and FOLDER[/SPLIT]/labels with equal stems. Such maps have no instances: of a thing
class, each 8-connected component stands in for one, so touching objects are one segment.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from retclip.data.class_choice import AnnotatedSettings, chosen, keep_classes
from retclip.data.images import SUFFIXES, file_digest, read_image, read_png
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image, PanopticSegmentation, SegmentInfo

EIGHT = np.ones((3, 3), dtype=bool)


class LabelMapSettings(AnnotatedSettings):
    min_area: int = Field(0, ge=0, description="pixels below which a component of a thing becomes void")
    components: bool = Field(True, description="split things into connected components")


class LabelMaps:
    """An ImageSource over one split."""

    def __init__(self, settings: LabelMapSettings) -> None:
        self.settings = settings
        root = Path(settings.path).absolute()  # stored with each photo, and read from elsewhere later
        self.folder = root / settings.split if settings.split else root
        known, self.void = read_classes(root)
        self._by_id = {one.native_id: one for one in known}
        self._classes = chosen(known, settings)
        self._kept = frozenset(one.name for one in self._classes)
        self._pairs = _pairs(self.folder)
        self.name = f"{root.resolve().name}-{settings.split}" if settings.split else root.resolve().name

    def classes(self) -> Sequence[SourceClass]:
        """In the order of the list."""
        return self._classes

    def __len__(self) -> int:
        return len(self._pairs)

    def images(self) -> Iterator[SourceImage]:
        """By file name."""
        for photo, label in self._pairs:
            yield SourceImage(
                external_id=photo.name,
                uri=str(photo),
                load=partial(self._load, photo, label),
                file_digest=partial(file_digest, photo),
                class_names=self._present(label),
                annotation_digest=self._digest(label),
            )

    def _present(self, label: Path) -> tuple[str, ...] | None:
        """The classes in a map; None where it cannot be read, so that `load` names the reason."""
        try:
            values = set(np.unique(read_png(label)).tolist())
        except DataError:
            return None
        return tuple(one.name for one in self._classes if one.native_id in values)

    def _digest(self, label: Path) -> str:
        try:
            content = file_digest(label)
        except DataError:
            return "unreadable"
        classes = sorted((one.native_id, one.name, one.is_thing) for one in self._by_id.values())
        parts = [content, classes, self.void, sorted(self._kept), self.settings.min_area, self.settings.components]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _load(self, photo: Path, label: Path) -> Image:
        image, classes = read_image(photo), read_png(label)
        if classes.shape != image.size:
            raise DataError(f"a label map of size {image.size} for {photo}", f"{classes.shape}", f"correct {label}")
        strange = sorted(set(np.unique(classes).tolist()) - self._by_id.keys() - {self.void})
        if strange:
            raise DataError(f"ids of the class list in {label}", f"{strange[:5]}", "complete the class list")
        truth = self._segments(classes)
        return Image(image.pixels, image.sha256, image.uri, keep_classes(truth, self._kept))

    def _segments(self, classes: NDArray[np.uint8]) -> PanopticSegmentation:
        label_map = np.zeros(classes.shape, dtype=np.int32)
        infos: list[SegmentInfo] = []
        for native_id in sorted(set(np.unique(classes).tolist()) & self._by_id.keys()):
            one, pixels = self._by_id[native_id], classes == native_id
            parts, count = (pixels, 1)
            if one.is_thing and self.settings.components:
                parts, count = ndimage.label(pixels, structure=EIGHT)
            areas = np.bincount(parts.ravel().astype(np.int64), minlength=count + 1)
            for part in range(1, count + 1):
                if areas[part] >= max(1, self.settings.min_area if one.is_thing else 1):
                    infos.append(SegmentInfo(len(infos) + 1, one.name, one.is_thing is not False, int(areas[part])))
                    label_map[parts == part] = len(infos)
        return PanopticSegmentation(label_map, tuple(infos))


def read_classes(root: Path) -> tuple[list[SourceClass], int | None]:
    """(classes, the void id or None) of a folder. Raises DataError."""
    listed, plain = root / "classes.json", root / "classes.txt"
    try:
        if listed.exists():
            document = json.loads(listed.read_text(encoding="utf-8-sig"))
            records = document["classes"] if isinstance(document, dict) else document
            void = document.get("void_id") if isinstance(document, dict) else None
            classes = [_source_class(one) for one in records]
            named = [one for one in classes if void is None or one.native_id != int(void)]  # "unlabelled" is no class
            return _checked(named, listed), None if void is None else int(void)
        names = [line.strip() for line in plain.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"a class list at {listed} or {plain}", str(error), "write one name per line") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"classes with id and name in {listed}", got, "complete the list") from error
    return _checked([SourceClass(name, native_id=number) for number, name in enumerate(names)], plain), None


def _source_class(one: Mapping[str, Any]) -> SourceClass:
    name = one["name"]
    if not isinstance(name, str):
        raise TypeError(f"the name {name!r} is no text")
    found = one.get("prompt_names", one.get("synonyms", ()))
    terms = [term.strip() for term in found.split(",")] if isinstance(found, str) else [str(term) for term in found]
    synonyms = tuple(term for term in terms if term and term != name)
    return SourceClass(name, bool(one.get("isthing", one.get("is_thing", True))), synonyms, int(one["id"]))


def _checked(classes: list[SourceClass], file: Path) -> list[SourceClass]:
    for what, found in (
        ("id", Counter(one.native_id for one in classes)),
        ("name", Counter(one.name for one in classes)),
    ):
        repeated = [value for value, times in found.items() if times > 1]
        if repeated:
            raise DataError(f"each class {what} once in {file}", f"{repeated[0]!r} twice", "remove one")
    if not classes or any(not 0 <= one.native_id <= 255 for one in classes) or not all(one.name for one in classes):
        raise DataError(f"named classes with ids 0..255 in {file}", f"{len(classes)} classes", "correct the list")
    return classes


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    photos, labels = folder / "images", folder / "labels"
    if not photos.is_dir() or not labels.is_dir():
        raise DataError(f"{photos} and {labels}", "a folder is missing", "check path and split")
    named = {path.stem: path for path in labels.iterdir() if path.suffix.lower() == ".png"}
    found = sorted(path for path in photos.iterdir() if path.suffix.lower() in SUFFIXES)
    lonely = [path.name for path in found if path.stem not in named]
    if lonely or not found:
        got = f"{len(lonely)} photos without a label map, first {lonely[0]}" if lonely else "no photo"
        raise DataError(f"a PNG in {labels} for each photo in {photos}", got, "add the maps, or move the photos")
    return [(path, named[path.stem]) for path in found]
