"""What every COCO JSON holds, read and checked: the document, its photos, names that stay inside the data set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.flags import as_whole
from retclip.data.photo_files import inside_name
from retclip.data.readers.coco.raw_records import is_list, read_records
from retclip.errors import DataError
from retclip.escaping import brief, one_line
from retclip.names import distinct, spaced
from retclip.passed_over import BAD_RECORDS, Tally
from retclip.plugin.contracts import CREDIT, SourceClass
from retclip.types import PhotoCredit

log = logging.getLogger(__name__)
NAME = "file_name"  # in a photo's record
CREDIT_WIDTH = 900  # characters that are kept of a licence's name, of an address


def read_document(file: Path, kind: str) -> dict[str, Any]:
    """Read a COCO JSON with its lists of images, categories and annotations, and its licenses. Raises DataError.

    Images and annotations are parsed whenever they are asked for (`raw_records`).

    kind: of the file, for the error: "panoptic" or "instances".
    """
    document = read_records(file, "COCO JSON")
    if not isinstance(document, dict):
        document = {}
    document.setdefault("images", [])
    strange = [key for key in ("images", "categories", "annotations") if not is_list(document.get(key))]
    if strange:
        raise DataError(f"a list of {strange[0]} in {file}", "something else", f"use a COCO *{kind}* file")
    return document


class PhotoRecord(Mapping[str, Any]):
    """The record of a photo. Of a hundred thousand only the names are kept; the rest is parsed when it is asked for.

    name: its `file_name`, whatever the record says.
    records: the file's; number: which of them is this one's.
    """

    __slots__ = ("_name", "_number", "_records")

    def __init__(self, name: str, records: Sequence[Mapping[str, Any]], number: int) -> None:
        self._name, self._records, self._number = name, records, number

    def __getitem__(self, key: str) -> Any:
        return self._name if key == NAME else self._records[self._number][key]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._records[self._number], NAME: self._name})

    def __len__(self) -> int:
        return len(self._records[self._number].keys() | {NAME})


def photos_by_id(
    images: Sequence[Any], file: Path, tally: Tally, name_of: Callable[[Any], Any] = itemgetter(NAME)
) -> dict[Any, PhotoRecord]:
    """Return the image records by their ids, each with a `file_name` of its own below the data set's folder.

    images: the file's records.
    tally: gets the unusable records.
    name_of: a record's `file_name`; raises KeyError or TypeError where it has none.
    """
    photos: dict[Any, PhotoRecord] = {}
    names: set[str] = set()
    for number, record in enumerate(images):
        where = f"image {number} of {file}"
        try:
            name, key = inside_name(as_text(name_of(record)), where), as_id(record["id"])
            if key in photos:
                raise DataError(f"different image ids in {where}", f"{brief(key)} twice", "remove one")
            if name in names:
                raise DataError(f"one image per photo in {where}", f"{name!r} twice", "join the two under one id")
        except (KeyError, TypeError) as error:
            tally.fault(BAD_RECORDS, where, str(file), bad_record(where, "id and file_name", error))
        except DataError as error:
            tally.fault(BAD_RECORDS, where, str(file), error)
        else:
            names.add(name)
            photos[key] = PhotoRecord(name, images, number)
    return photos


def licences(document: Mapping[str, Any]) -> dict[Any, str]:
    """The licences that a document lists, by id: name and address. One that cannot be read is left out."""
    listed = document.get("licenses")
    text_of: dict[Any, str] = {}
    for record in listed if isinstance(listed, list) else ():
        if isinstance(record, dict) and isinstance(record.get("id"), int):
            text_of[record["id"]] = ", ".join(text for key in ("name", "url") if (text := _said(record, key)))
    return text_of


def credit_of(photo: Mapping[str, Any], listed: Mapping[Any, str]) -> dict[str, PhotoCredit]:
    """The credit of an image record for `SourceImage.extra`: COCO names licence and address, and no author. listed: see
    `licences`."""
    number = photo.get("license")
    licence = listed.get(number, "") if isinstance(number, int) else ""
    address = _said(photo, "flickr_url") or _said(photo, "coco_url")
    return {CREDIT: PhotoCredit("", licence, address)} if licence or address else {}


def _said(record: Mapping[str, Any], key: str) -> str:
    """A text for people to read, without what would harm; "" for anything else."""
    value = record.get(key)
    return one_line(value)[:CREDIT_WIDTH] if isinstance(value, str) else ""


def real_categories(
    categories: Mapping[int, SourceClass], document: Mapping[str, Any], file: Path
) -> dict[int, SourceClass]:
    """Return the categories without those that only head others, as Roboflow writes one.

    A head is the `supercategory` of others, has none itself, and nothing is annotated as it.

    Raises DataError where two of the rest are one class.
    """
    above = {int(record["id"]): record.get("supercategory") for record in document["categories"]}
    heads = {
        spaced(head) for key, head in above.items() if isinstance(head, str) and spaced(head) != categories[key].name
    }
    roots = {
        key
        for key, category in categories.items()
        if category.name in heads and str(above[key] or "none").casefold() == "none"
    }
    if roots:
        roots.difference_update(_annotated(document))
    if roots:
        names = ", ".join(categories[key].name for key in sorted(roots))
        log.info("left out, as they only head other categories and nothing is annotated as them: %s", names)
    real = {key: category for key, category in categories.items() if key not in roots}
    distinct((category.name for category in real.values()), f"the categories of {file}")
    return real


def _annotated(document: Mapping[str, Any]) -> Iterator[float]:
    """Yield the category ids of the annotations; malformed records are left to their reader."""
    for annotation in document["annotations"]:
        inner = annotation.get("segments_info", [annotation]) if isinstance(annotation, dict) else []
        for record in inner if isinstance(inner, list) else []:
            if isinstance(record, dict) and isinstance(record.get("category_id"), int | float):
                yield record["category_id"]


def check_size(record: Mapping[str, Any], photo: AnnotatedPhoto, where: str) -> None:
    """Check that a photo is as large as its record states: the record's coordinates would be other pixels.

    record: may leave the size out, or one side.
    where: the record's owner, for the error.

    Raises DataError.
    """
    stated = [_side(record.get(key)) for key in ("height", "width")]
    height, width = (side or own for side, own in zip(stated, photo.size, strict=True))
    if not any(stated) or photo.fits((height, width)):
        return
    image = f"image {record.get('id')!r} ({record.get('file_name')}) of {where}"
    expected = f"a photo of {width} x {height} pixels, as {image} says"
    got = f"{photo.image.uri}, {photo.size[1]} x {photo.size[0]} pixels"
    raise DataError(expected, got, photo.cure((height, width), "use the photo that was annotated"))


def _side(value: Any) -> int:
    """Return a stated length in pixels, also of "640"; 0 where none is stated."""
    try:
        length = as_whole(value) if isinstance(value, str) else value
    except (ValueError, OverflowError):
        return 0
    is_length = isinstance(length, int | float) and not isinstance(length, bool) and 0 < length < 1e9
    return int(length) if is_length else 0


def as_text(value: Any) -> str:
    """Return the text itself. Raises TypeError for any other value, and for an empty text."""
    if not isinstance(value, str) or not value:
        raise TypeError(f"{brief(value)} is no text")
    return value


def as_id(value: Any) -> Any:
    """Return an id by which records refer to each other. Raises TypeError for yes, no and null: Python takes yes for
    1."""
    if value is None or isinstance(value, bool):
        raise TypeError(f"{brief(value)} is no id")
    return value


def first_of(places: Sequence[Path], expected: str) -> Path:
    """Return the first place that exists.

    expected: the thing that lies there, for the error.

    Raises DataError where none exists.
    """
    first = next((place for place in places if place.exists()), None)
    if first is None:
        raise DataError(f"{expected} at {' or '.join(map(str, places))}", "none of them", "check path and split")
    return first


def only_one(places: Sequence[Path], expected: str, setting: str) -> Path:
    """Return the one place that exists; several names of one file are one place.

    expected: the thing that lies there, for the error.
    setting: the setting that names a place.

    Raises DataError where none exists, or two do.
    """
    first = first_of(places, expected)
    second = next((place for place in places if place.exists() and not place.samefile(first)), None)
    if second is not None:
        raise DataError(f"one of {expected}", f"{first} and {second}", f"remove one, or name it: {setting}=FILE")
    return first


def bad_record(where: str, expected: str, error: Exception) -> DataError:
    """Return the error of the malformed record `where`."""
    return DataError(f"{expected} in {where}", f"{type(error).__name__}: {error}", "complete the record")
