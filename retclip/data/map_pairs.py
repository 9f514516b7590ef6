"""Photos with a map of ids beside each: what every reader of such pairs does, whatever the ids mean."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from retclip.data.class_choice import AnnotatedSettings, chosen, keep_classes
from retclip.data.images import SUFFIXES, file_digest, read_image
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image, PanopticSegmentation

Pair = tuple[Path, Path]  # photo, map


class MapPairs(ABC):
    """An ImageSource. A reader says how a map is read, and by which numbers it names its classes."""

    def __init__(
        self, name: str, root: Path, known: Sequence[SourceClass], pairs: Sequence[Pair], settings: AnnotatedSettings
    ) -> None:
        self.name, self._root, self._pairs = name, root, pairs
        self._by_id: Mapping[int, SourceClass] = {one.native_id: one for one in known if one.native_id is not None}
        self._classes = chosen(known, settings)
        self._kept = frozenset(one.name for one in self._classes)

    @abstractmethod
    def truth(self, file: Path) -> PanopticSegmentation:
        """The annotation in a map. Raises DataError."""

    @abstractmethod
    def numbers(self, file: Path) -> set[int]:
        """The numbers of the classes in a map, of no class among them. Raises DataError."""

    def reading(self) -> Any:
        """Whatever else decides what a map means, as JSON can hold it."""
        return None

    def classes(self) -> Sequence[SourceClass]:
        """In the data set's order."""
        return self._classes

    def __len__(self) -> int:
        return len(self._pairs)

    def images(self) -> Iterator[SourceImage]:
        """In the order of the pairs, which is the file names'."""
        for photo, label in self._pairs:
            yield SourceImage(
                external_id=str(photo.relative_to(self._root)),
                uri=str(photo),
                load=partial(self._load, photo, label),
                file_digest=partial(file_digest, photo),
                class_names=self._present(label),
                annotation_digest=self._digest(label),
            )

    def _present(self, label: Path) -> tuple[str, ...] | None:
        """The classes in a map; None where it cannot be read, so that `load` names the reason."""
        try:
            found = self.numbers(label)
        except DataError:
            return None
        return tuple(one.name for one in self._classes if one.native_id in found)

    def _digest(self, label: Path) -> str:
        try:
            content = file_digest(label)
        except DataError:
            return "unreadable"
        classes = sorted((one.native_id, one.name, one.is_thing) for one in self._by_id.values())
        return hashlib.sha256(json.dumps([content, classes, sorted(self._kept), self.reading()]).encode()).hexdigest()

    def _load(self, photo: Path, label: Path) -> Image:
        image, truth = read_image(photo), self.truth(label)
        if truth.label_map.shape != image.size:
            raise DataError(f"a map of size {image.size} for {photo}", f"{truth.label_map.shape}", f"correct {label}")
        return Image(image.pixels, image.sha256, image.uri, keep_classes(truth, self._kept))


def matched_pairs(photos: Path, labels: Path) -> list[Pair]:
    """The photos of a folder with the PNGs of equal stems in another, by name. Raises DataError."""
    if not photos.is_dir() or not labels.is_dir():
        raise DataError(f"{photos} and {labels}", "a folder is missing", "check path and split")
    named = {path.stem: path for path in labels.iterdir() if path.suffix.lower() == ".png"}
    found = sorted(path for path in photos.iterdir() if path.suffix.lower() in SUFFIXES)
    lonely = [path.name for path in found if path.stem not in named]
    if lonely or not found:
        got = f"{len(lonely)} photos without a label map, first {lonely[0]}" if lonely else "no photo"
        raise DataError(f"a PNG in {labels} for each photo in {photos}", got, "add the maps, or move the photos")
    return [(path, named[path.stem]) for path in found]
