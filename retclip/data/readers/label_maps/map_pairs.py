"""Photos with a map of ids beside each: what every reader of such pairs does, whatever the ids mean."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from retclip._version import __version__
from retclip.data.annotated_photo import AnnotatedPhoto, FrameSettings, frame_digest
from retclip.data.class_choice import AnnotatedSettings, chosen, keep_classes
from retclip.data.class_kinds import with_kinds, with_whole_stuff
from retclip.data.class_names import NameSettings, with_names
from retclip.data.file_bytes import ReadOnce
from retclip.data.file_memory import remembered
from retclip.data.images import file_digest, read_image
from retclip.data.photo_files import UNREAD, composed, photos_in
from retclip.errors import DataError
from retclip.passed_over import PassedOver, Tally
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image, PanopticSegmentation

Pair = tuple[Path, Path | DataError]  # photo, its map or why there is none
UNUSED = "maps without a photo"


class MapSettings(FrameSettings, NameSettings, AnnotatedSettings):
    """Settings of every source of photos and maps."""


@dataclass(frozen=True)
class Pairs:
    """The photos of a folder with their maps, and the files beside them."""

    pairs: tuple[Pair, ...]
    passed_over: PassedOver = field(default_factory=PassedOver)


class MapPairs(ABC):
    """An ImageSource; a reader implements how a map is read.

    listed: every class of the data set, by the number that maps use.
    """

    def __init__(
        self, name: str, root: Path, listed: Sequence[SourceClass], pairs: Pairs, settings: MapSettings
    ) -> None:
        self.name, self._root, self._pairs, self._beside = name, root, pairs.pairs, pairs.passed_over
        self._frame = settings.orientation
        classes = with_kinds(with_names(listed, settings), settings)
        self._by_id: Mapping[int, SourceClass] = {source_class.native_id: source_class for source_class in classes}
        self._classes = chosen(classes, settings)
        self._kept = frozenset(source_class.name for source_class in self._classes)

    @abstractmethod
    def truth(self, file: ReadOnce, photo: AnnotatedPhoto) -> PanopticSegmentation:
        """Return the annotation in a map. Raises DataError.

        photo: gets the faults of the map.
        """

    @abstractmethod
    def numbers(self, file: ReadOnce) -> set[int]:
        """Return the numbers in a map, those of no class among them, void left out.

        Raises DataError where the map cannot be read.
        """

    def reading(self) -> Any:
        """Return the settings that change an annotation, as JSON can hold them."""
        return None

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes in the data set's order."""
        return self._classes

    def __len__(self) -> int:
        return len(self._pairs)

    def passed_over(self) -> PassedOver:
        """Return the files beside the photos and maps."""
        return self._beside

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in the order of the pairs, by file name."""
        classes = sorted(
            (source_class.native_id, source_class.name, source_class.is_thing) for source_class in self._by_id.values()
        )
        read_by = _digest([__version__, type(self).__qualname__, classes, self.reading()])
        for path, map_path in self._pairs:
            photo, label = ReadOnce(path), ReadOnce(map_path) if isinstance(map_path, Path) else map_path
            content, numbers = self._listed(label, read_by)
            annotation = [content, classes, sorted(self._kept), self.reading(), *frame_digest(self._frame)]
            yield SourceImage(
                external_id=str(path.relative_to(self._root)),
                uri=str(path),
                load=partial(self._load, photo, label),
                file_digest=partial(file_digest, photo),
                class_names=self._present(numbers),
                annotation_digest=_digest(annotation) if content else "unreadable",
            )

    def _listed(self, label: ReadOnce | DataError, read_by: str) -> tuple[str, Sequence[int] | None]:
        """Return the sha256 of a map's file and the map's numbers: "" where the file, None where the map is unreadable.

        read_by: what decides the numbers beside the file.
        """
        if isinstance(label, DataError):
            return "", None
        try:
            content, numbers = remembered(label, f"numbers of a map {read_by}", partial(self._read, label))
            return content, numbers
        except DataError:  # not remembered: another limit or decoder may read the map
            return _digest_of(label), None

    def _read(self, label: ReadOnce) -> tuple[str, list[int]]:
        content = hashlib.sha256(label.content).hexdigest()
        return content, sorted(self.numbers(label))

    def _present(self, numbers: Sequence[int] | None) -> tuple[str, ...] | None:
        """Return the classes of a map's numbers; None where it is unreadable or has unknown numbers only, for which
        `load` has the error.
        """
        if numbers is None or (numbers and self._by_id.keys().isdisjoint(numbers)):
            return None
        return tuple(source_class.name for source_class in self._classes if source_class.native_id in numbers)

    def _load(self, file: ReadOnce, label: ReadOnce | DataError) -> Image:
        if isinstance(label, DataError):
            raise DataError(label.expected, label.got, label.todo)
        photo = AnnotatedPhoto(read_image(file), self._frame)
        try:
            truth = self.truth(label, photo)
        finally:
            label.let_go()
        expected = f"a map of size {photo.size} for {file}"
        photo.require_fit(truth.label_map.shape, expected, f"correct {label}")
        return photo.annotated(keep_classes(with_whole_stuff(truth), self._kept))


def _digest_of(label: ReadOnce) -> str:
    try:
        return file_digest(label)
    except DataError:
        return ""


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def matched_pairs(photos: Path, labels: Path) -> Pairs:
    """Return the photos of a folder with the PNGs of equal stems in another, by name.

    A photo without exactly one map of its own costs that photo.

    Raises DataError where a folder or every map is missing.
    """
    if not photos.is_dir() or not labels.is_dir():
        raise DataError(f"{photos} and {labels}", "a folder is missing", "check path and split")
    map_files, beside_maps = photos_in(labels, folders=UNREAD)
    photo_files, beside = photos_in(photos, folders=UNREAD)
    maps = by_stem(map_files)
    tally = Tally(beside, beside_maps)
    stems = {composed(path.stem) for path in photo_files}
    tally.skip(UNUSED, sum(len(several) for stem, several in maps.items() if stem not in stems))
    return Pairs(with_maps(photo_files, lambda photo: the_map(photo, maps, labels), photos, labels), tally.total)


def by_stem(maps: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the pictures of a folder by their stems."""
    files: dict[str, list[Path]] = {}
    for path in maps:
        files.setdefault(composed(path.stem), []).append(path)
    return files


def the_map(photo: Path, maps: Mapping[str, Sequence[Path]], labels: Path) -> Path | DataError | None:
    """Return the PNG of a photo's stem.

    None where there is no picture of that stem; an error where the picture is no PNG, or there are several.
    """
    candidates = maps.get(composed(photo.stem), [])
    if len(candidates) > 1:
        return DataError(
            f"one map for {photo} in {labels}", " and ".join(path.name for path in candidates), "remove one"
        )
    if candidates and candidates[0].suffix.lower() != ".png":
        return DataError(f"a PNG map for {photo} in {labels}", candidates[0].name, "save it as a PNG, value by value")
    return candidates[0] if candidates else None


def with_maps(
    photos: Sequence[Path], map_of: Callable[[Path], Path | DataError | None], folder: Path, labels: Path
) -> tuple[Pair, ...]:
    """Return each photo with its map, or with the error that it has none.

    map_of: returns a photo's map, None without one, an error for an unusable one; a map of two photos belongs to
    neither.

    Raises DataError where `folder` has no photo, or `labels` no map.
    """
    chosen_maps = {photo: map_of(photo) for photo in photos}
    owners = Counter(label for label in chosen_maps.values() if isinstance(label, Path))
    if not owners:
        unusable = next((label for label in chosen_maps.values() if isinstance(label, DataError)), None)
        got = f"{len(photos)} photos without one, first {photos[0].name}" if photos else "no photo"
        todo = "check path and split"
        raise unusable or DataError(f"an annotation in {labels} for each photo in {folder}", got, todo)
    pairs: list[Pair] = []
    for photo, label in chosen_maps.items():
        if label is None:
            lacking = DataError(f"an annotation in {labels} for {photo}", "none", "add it, or move the photo")
            pairs.append((photo, lacking))
        elif isinstance(label, DataError):
            pairs.append((photo, label))
        elif owners[label] > 1:
            shared = DataError(f"a photo for {label}", f"{owners[label]} of that name, {photo}", "rename the photos")
            pairs.append((photo, shared))
        else:
            pairs.append((photo, label))
    return tuple(pairs)
