"""What every COCO JSON holds, read and checked: the document, its photos, names that stay inside the data set."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retclip.errors import DataError
from retclip.names import distinct, spaced
from retclip.plugin.contracts import SourceClass
from retclip.types import Image

log = logging.getLogger(__name__)


def read_document(file: Path, kind: str) -> dict[str, Any]:
    """The lists of images, categories and annotations; kind: what the file should be. Raises DataError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"a readable COCO JSON: {file}", str(error), "check the path, or export it again") from error
    if not isinstance(found, dict):
        found = {}
    found.setdefault("images", [])
    strange = [key for key in ("images", "categories", "annotations") if not isinstance(found.get(key), list)]
    if strange:
        raise DataError(f"a list of {strange[0]} in {file}", "something else", f"use a COCO *{kind}* file")
    return found


def photos_by_id(document: Mapping[str, Any], file: Path) -> dict[Any, dict[str, Any]]:
    """The image records by their ids. Raises DataError."""
    found: dict[Any, dict[str, Any]] = {}
    for number, one in enumerate(document["images"]):
        try:
            key, name = one["id"], as_text(one["file_name"])
            repeated = key in found
        except (KeyError, TypeError) as error:
            raise bad_record(file, f"image {number}", "id and file_name", error) from error
        if repeated:
            raise DataError(f"different image ids in {file}", f"{key!r} twice", "remove one")
        stay_inside(name, f"image {number} of {file}")
        found[key] = one
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


def check_size(record: Mapping[str, Any], image: Image, where: str) -> None:
    """The photo must be as large as its record says: elsewhere the record's coordinates are other pixels. A record may
    leave its size out. where: what the record belongs to, for errors. Raises DataError."""
    height, width = image.size
    said = record.get("height"), record.get("width")
    numbers = [one for one in said if isinstance(one, int | float) and not isinstance(one, bool) and one > 0]
    if len(numbers) < 2 or said == image.size:
        return
    todo = "use the photo that was annotated"
    if said == (width, height):
        turned = "the photo is turned by its EXIF orientation, its annotation was made on the un-turned pixels"
        todo = f"{turned}: remove the orientation"
    named = f"image {record.get('id')!r} ({record.get('file_name')}) of {where}"
    expected = f"a photo of {numbers[1]:g} x {numbers[0]:g} pixels, as {named} says"
    raise DataError(expected, f"{image.uri}, {width} x {height} pixels", todo)


def stay_inside(name: str, where: str) -> None:
    """A file name must not lead out of the data set's folder. Raises DataError."""
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise DataError(f"a file name inside the data set in {where}", repr(name), "use a relative name")


def as_text(value: Any) -> str:
    """The text itself. Raises TypeError for anything else, also for none."""
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def first_of(places: Sequence[Path], what: str) -> Path:
    """The first place that is there. Raises DataError."""
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise DataError(f"{what} at {' or '.join(map(str, places))}", "none of them", "check path and split")
    return found


def bad_record(file: Path, record: str, expected: str, error: Exception) -> DataError:
    """What is wrong with a record of a file."""
    return DataError(f"{expected} in {record} of {file}", f"{type(error).__name__}: {error}", "complete the record")
