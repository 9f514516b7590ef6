"""Open Images V4 to V7, read: labels of whole photos, boxes as such labels, or masks.

    FOLDER/class-descriptions*.csv (or oidv7-...)          machine ids and names
    FOLDER/[oidv?-]SPLIT-annotations-human-imagelabels*.csv  labels; a confidence of 0 says that a class is not there
    FOLDER/[oidv?-]SPLIT-annotations-bbox.csv              boxes
    FOLDER/[oidv?-]SPLIT-annotations-object-segmentation.csv and FOLDER/masks/ (or SPLIT-masks/)
    FOLDER/bbox_labels_600_hierarchy.json                  what is above what, for `ancestors`

Photos are `SPLIT/ID.jpg` or `images/SPLIT/ID.jpg`: all that lie there, or those that `list` names. Tables may be in
`annotations/`, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from retclip.data.annotated_photo import AnnotatedPhoto, FrameSettings, frame_digest
from retclip.data.class_choice import AnnotatedSettings, chosen, data_set_name, keep_classes, text_digest
from retclip.data.class_kinds import with_kinds, with_whole_stuff
from retclip.data.file_bytes import ReadOnce
from retclip.data.images import file_digest, read_image
from retclip.data.photo_files import UNREAD, photos_in
from retclip.data.readers.coco.coco_records import first_of
from retclip.data.readers.open_images.open_images_tables import all_above, read_names, read_parents, read_rows
from retclip.data.readers.regions.drawn_mask import drawn_mask
from retclip.data.readers.regions.painted_objects import AnnotatedObject, painted
from retclip.documents import lines_of, read_text
from retclip.errors import DataError
from retclip.passed_over import BAD_RECORDS, BAD_ROWS, PassedOver, Tally
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image

TABLES = {"labels": "human-imagelabels", "boxes": "bbox", "masks": "object-segmentation"}
Mask = tuple[Path, str]  # file, class


class OpenImagesSettings(FrameSettings, AnnotatedSettings):
    """Settings of an Open Images source."""

    kind: Literal["labels", "boxes", "masks"] = Field(
        "labels", description="what is read; boxes only say what is there"
    )
    list: str = Field("", description="a file of photo ids (ID or SPLIT/ID a line), if not all that lie there")
    ancestors: bool = Field(
        False, description="what shows a fox shows an animal, too; needs the hierarchy, and is not for masks"
    )


class OpenImages:
    """An ImageSource over one split: annotated with `masks`, otherwise with labels of whole photos."""

    def __init__(self, settings: OpenImagesSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split or "train"
        self.name = data_set_name(root, split)
        self._annotated = settings.kind == "masks"
        if self._annotated and settings.ancestors:  # a mask has one class: photos would show animals without a mask
            todo = "leave ancestors out, and name the classes that have masks"
            raise DataError(f"ancestors with kind=labels or kind=boxes in {root}", "kind=masks", todo)
        self._tally, self._frame = Tally(), settings.orientation
        self._photos = _photos(root, split, settings.list, self._tally)
        names = read_names(_table(root, "*class-descriptions*.csv", "class descriptions"))
        self._masks: dict[str, list[Mask]] = {}
        ids_of = self._read(root, split, settings, names)
        if settings.ancestors:
            parents = read_parents(_table(root, "*hierarchy*.json", "the hierarchy of classes"))
            ids_of = {
                key: ids.union(*(all_above(machine_id, parents) for machine_id in ids)) for key, ids in ids_of.items()
            }
        self._said = {
            key: {names[machine_id] for machine_id in ids if machine_id in names} for key, ids in ids_of.items()
        }
        occurring = set().union(*self._said.values()) if self._said else set()
        names_shown = dict.fromkeys(name for name in names.values() if name in occurring)
        classes = with_kinds([SourceClass(name, True if self._annotated else None) for name in names_shown], settings)
        self._stuff = frozenset(source_class.name for source_class in classes if source_class.is_thing is False)
        self._classes = chosen(classes, settings)
        self._places = {source_class.name: place for place, source_class in enumerate(self._classes)}
        self._kept = frozenset(self._places)

    def _read(self, root: Path, split: str, settings: OpenImagesSettings, names: dict[str, str]) -> dict[str, set[str]]:
        """Return the machine ids of each photo's classes, by the photo's id."""
        table = _table(root, f"*{split}-annotations-{TABLES[settings.kind]}*.csv", f"the table of {settings.kind}")
        ids_of: dict[str, set[str]] = {key: set() for key in self._photos}
        last = "MaskPath" if settings.kind == "masks" else "Confidence"
        any_row = False
        for where, (key, machine_id, value) in read_rows(table, ("ImageID", "LabelName", last), ids_of, self._tally):
            any_row = True
            try:
                if machine_id not in names:
                    raise DataError(f"a known LabelName in {where}", machine_id, "add it to class-descriptions")
                if settings.kind == "masks":
                    mask = _mask(root, split, value, where), names[machine_id]
                    self._masks.setdefault(key, []).append(mask)
                elif _confidence(value, where) <= 0:
                    continue
            except DataError as error:
                self._tally.fault(BAD_ROWS, where, str(table), error)
            else:
                ids_of[key].add(machine_id)
        if not any_row and not self._tally.total.bad:
            got = f"none of {len(ids_of)} photos, first {next(iter(ids_of))}"
            raise DataError(
                f"rows of the photos in {table}", got, "check the split, and that photos are named ImageID.jpg"
            )
        return ids_of

    def passed_over(self) -> PassedOver:
        """Return the unusable rows, and the files that are no photos."""
        return self._tally.total

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes that a photo shows, in the order of the descriptions."""
        return self._classes

    def __len__(self) -> int:
        return len(self._photos)

    def images(self) -> Iterator[SourceImage]:
        """Yield the records by id, or in the list's order."""
        for key, path in self._photos.items():
            shown = sorted(self._said[key] & self._kept, key=self._places.__getitem__)
            masks, file = self._masks.get(key, ()), ReadOnce(path)
            parts = [*shown, *(f"{file.name} {name}" for file, name in masks)]
            parts += [*frame_digest(self._frame), *sorted(self._stuff & self._kept)] if masks else []
            yield SourceImage(
                external_id=key,
                uri=str(path),
                load=partial(self._load, file, masks) if self._annotated else partial(read_image, file),
                file_digest=partial(file_digest, file),
                class_names=tuple(shown),
                annotation_digest=text_digest(parts),
            )

    def _load(self, file: ReadOnce, masks: Sequence[Mask]) -> Image:
        photo = AnnotatedPhoto(read_image(file), self._frame)
        objects = (self._object(file, name, photo) for file, name in masks)
        truth = painted((annotated for annotated in objects if annotated is not None), photo.size, photo.tally)
        return photo.annotated(keep_classes(with_whole_stuff(truth), self._kept))

    def _object(self, file: Path, name: str, photo: AnnotatedPhoto) -> AnnotatedObject | None:
        """Return an object; None where its mask cannot be read, which costs the object alone."""
        try:
            return AnnotatedObject(name, name not in self._stuff, _pixels(file, photo))
        except DataError as error:
            photo.fault(file.name, error)
            return None


def _pixels(file: Path, photo: AnnotatedPhoto) -> NDArray[np.bool_]:
    """Return (H, W) bool, the nearest pixel of each: masks were drawn on smaller copies of the photos.

    Raises DataError for a mask of another shape than the photo's.
    """
    mask = drawn_mask(file)
    if not photo.fits_shape((height := mask.shape[0], width := mask.shape[1])):
        todo = photo.cure_shape((height, width), "match photo and mask")
        expected = f"a mask of the shape of {photo.image.uri}, {photo.size[1]} x {photo.size[0]} pixels: {file}"
        raise DataError(expected, f"{width} x {height} pixels", todo)
    rows, columns = (
        ((np.arange(length) + 0.5) * side / length).astype(int)
        for length, side in zip(photo.size, mask.shape, strict=True)
    )
    return np.asarray(mask[rows[:, None], columns], dtype=np.bool_)


def _table(root: Path, pattern: str, expected: str) -> Path:
    """Return the file of a name; of a full table and its part for the classes with boxes, the full one. Raises
    DataError.

    expected: the table, for the error.
    """
    places = [folder for folder in (root, root / "annotations") if folder.is_dir()]
    files = sorted(file for folder in places for file in folder.glob(pattern) if not file.name.startswith("."))
    files = [file for file in files if not file.stem.endswith("-boxable")] or files
    if not files:
        raise DataError(
            f"{expected} in {root} or its annotations/, named {pattern}", "no such file", "download it there"
        )
    if len(files) > 1:
        got = ", ".join(str(file.relative_to(root)) for file in files)
        raise DataError(f"one file of {expected} in {root}, named {pattern}", got, "keep one there")
    return files[0]


def _photos(root: Path, split: str, listed: str, tally: Tally) -> dict[str, Path]:
    """Return each photo's file by its id. Raises DataError."""
    folder = first_of([root / split, root / "images" / split], "the photos")
    photos, beside = photos_in(folder, folders=UNREAD)
    tally.add(beside)
    by_id: dict[str, Path] = {}
    for path in sorted(photos, key=lambda path: path.suffix.lower() != ".jpg"):  # which is what they are called
        if by_id.setdefault(path.stem, path) != path:
            twice = DataError(
                f"one photo {path.stem} in {folder}", f"{by_id[path.stem].name} and {path.name}", "remove one"
            )
            tally.fault(BAD_RECORDS, path.name, str(path), twice)
    by_id = dict(sorted(by_id.items()))
    if not listed:
        if not by_id:
            raise DataError(f"photos in {folder}", "none", "download some, e.g. with Open Images' downloader.py")
        return by_id
    text = read_text(Path(listed), "list of photo ids")
    lines = [line.strip() for line in lines_of(text) if line.strip()]
    keys = [line.split("/")[-1] for line in lines if "/" not in line or line.split("/")[0] == split]
    if not keys:
        raise DataError(f"ids of the split {split!r} in {listed}", f"{lines[:2]}", "write an ID, or SPLIT/ID, a line")
    return {key: by_id.get(key, folder / f"{key}.jpg") for key in keys}  # what is missing is told when it is read


def _mask(root: Path, split: str, name: str, where: str) -> Path:
    if not name or Path(name).name != name:
        raise DataError(f"a mask's file name in {where}", repr(name), "download the table again")
    places = [root / "masks" / split, root / f"{split}-masks", root / "masks", root]
    return next((place / name for place in places if (place / name).is_file()), root / "masks" / name)


def _confidence(value: str, where: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isnan(number):  # which is neither above 0 nor not
        raise DataError(f"a number as Confidence in {where}", repr(value), "download the table again")
    return number
