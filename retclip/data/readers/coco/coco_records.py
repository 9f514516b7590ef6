"""What every COCO JSON holds, read and checked: the document, its photos, names that stay inside the data set."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.photo_files import inside_name
from retclip.documents import read_json
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import distinct, spaced
from retclip.passed_over import BAD_RECORDS, Tally
from retclip.plugin.contracts import SourceClass

log = logging.getLogger(__name__)


def read_document(file: Path, kind: str) -> dict[str, Any]:
    """The lists of images, categories and annotations; kind: what the file should be. Raises DataError."""
    found = read_json(file, "COCO JSON")
    if not isinstance(found, dict):
        found = {}
    found.setdefault("images", [])
    strange = [key for key in ("images", "categories", "annotations") if not isinstance(found.get(key), list)]
    if strange:
        raise DataError(f"a list of {strange[0]} in {file}", "something else", f"use a COCO *{kind}* file")
    return found


def photos_by_id(document: Mapping[str, Any], file: Path, tally: Tally) -> dict[Any, dict[str, Any]]:
    """The image records by their ids, each with a `file_name` of its own below the data set's folder. tally: of the
    records that cannot be used."""
    found: dict[Any, dict[str, Any]] = {}
    names: set[str] = set()
    for number, one in enumerate(document["images"]):
        where = f"image {number} of {file}"
        try:
            name = inside_name(as_text(one["file_name"]), where)
            if one["id"] in found:
                raise DataError(f"different image ids in {where}", f"{brief(one['id'])} twice", "remove one")
            if name in names:
                raise DataError(f"one image per photo in {where}", f"{name!r} twice", "join the two under one id")
        except (KeyError, TypeError) as error:
            tally.fault(BAD_RECORDS, where, str(file), bad_record(where, "id and file_name", error))
        except DataError as error:
            tally.fault(BAD_RECORDS, where, str(file), error)
        else:
            names.add(name)
            found[one["id"]] = {**one, "file_name": name}
    return found


def real_categories(
    categories: Mapping[int, SourceClass], document: Mapping[str, Any], file: Path
) -> dict[int, SourceClass]:
    """The categories without those that only head others, as Roboflow writes one: it is the `supercategory` of others,
    under none itself, and nothing is annotated as it. Raises DataError where two of the rest are one class."""
    above = {int(one["id"]): one.get("supercategory") for one in document["categories"]}
    heads = {
        spaced(head) for key, head in above.items() if isinstance(head, str) and spaced(head) != categories[key].name
    }
    annotated = set(_annotated(document))
    roots = {
        key
        for key, one in categories.items()
        if one.name in heads and str(above[key] or "none").casefold() == "none" and key not in annotated
    }
    if roots:
        names = ", ".join(categories[key].name for key in sorted(roots))
        log.info("left out, as they only head other categories and nothing is annotated as them: %s", names)
    kept = {key: one for key, one in categories.items() if key not in roots}
    distinct((one.name for one in kept.values()), f"the categories of {file}")
    return kept


def _annotated(document: Mapping[str, Any]) -> Iterator[int]:
    """The category ids that annotations name; what is wrong with a record is told where it is read."""
    for one in document["annotations"]:
        inner = one.get("segments_info", [one]) if isinstance(one, dict) else []
        for record in inner if isinstance(inner, list) else []:
            if isinstance(record, dict) and isinstance(record.get("category_id"), int):
                yield record["category_id"]


def check_size(record: Mapping[str, Any], photo: AnnotatedPhoto, where: str) -> None:
    """The photo must be as large as its record says: elsewhere the record's coordinates are other pixels. A record may
    leave its size out. where: what the record belongs to, for errors. Raises DataError."""
    numbers = [record.get(key) for key in ("height", "width")]
    height, width = (int(n) if isinstance(n, int | float) and 0 < n < 1e9 else 0 for n in numbers)
    if not (height and width) or photo.fits((height, width)):
        return
    named = f"image {record.get('id')!r} ({record.get('file_name')}) of {where}"
    expected = f"a photo of {width} x {height} pixels, as {named} says"
    got = f"{photo.image.uri}, {photo.size[1]} x {photo.size[0]} pixels"
    raise DataError(expected, got, photo.cure((height, width), "use the photo that was annotated"))


def as_text(value: Any) -> str:
    """The text itself. Raises TypeError for anything else, also for none."""
    if not isinstance(value, str) or not value:
        raise TypeError(f"{brief(value)} is no text")
    return value


def first_of(places: Sequence[Path], what: str) -> Path:
    """The first place that is there. Raises DataError."""
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise DataError(f"{what} at {' or '.join(map(str, places))}", "none of them", "check path and split")
    return found


def only_one(places: Sequence[Path], what: str, setting: str) -> Path:
    """The one place where a file is, or several names of it are. setting: names it. Raises DataError where there is
    none, and where nobody knows which of several is meant."""
    found = first_of(places, what)
    other = next((one for one in places if one.exists() and not one.samefile(found)), None)
    if other is not None:
        raise DataError(f"one of {what}", f"{found} and {other}", f"remove one, or name it: {setting}=FILE")
    return found


def bad_record(where: str, expected: str, error: Exception) -> DataError:
    """What is wrong with the record `where`."""
    return DataError(f"{expected} in {where}", f"{type(error).__name__}: {error}", "complete the record")
