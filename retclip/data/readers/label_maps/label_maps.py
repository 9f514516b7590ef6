"""Label maps: one byte per pixel and a list of classes; CamVid's and many own data sets' form.

FOLDER/classes.json ([{"id", "name", "isthing", "prompt_names"}], "void_id") or FOLDER/classes.txt (a name per line, ids
from 0), FOLDER[/SPLIT]/images and FOLDER[/SPLIT]/labels with equal stems. 255 is void where nobody says otherwise. Such
maps have no instances: of a thing class, each 8-connected component stands in for one, so touching objects are one
segment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retclip.data.class_choice import data_set_name
from retclip.data.class_list import is_remark
from retclip.data.flags import as_flag
from retclip.data.readers.coco.coco_records import first_of
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings, LabelMapSource
from retclip.data.readers.label_maps.map_pairs import matched_pairs
from retclip.documents import lines_of, read_json, read_text
from retclip.errors import DataError
from retclip.names import checked_name, distinct
from retclip.plugin.contracts import SourceClass


class LabelMaps(LabelMapSource):
    """An ImageSource over one split."""

    def __init__(self, settings: LabelMapSettings) -> None:
        root = Path(settings.path).absolute()  # stored with each photo, and read from elsewhere later
        folder = root / settings.split if settings.split else root
        known, void = read_classes(root)
        name = data_set_name(root, settings.split)
        photos, labels = folder / "images", folder / "labels"
        super().__init__(name, photos, known, void, matched_pairs(photos, labels), settings)


def read_classes(root: Path) -> tuple[list[SourceClass], int | None]:
    """(classes, the void id or None) of a folder. Raises DataError."""
    listed = first_of([root / "classes.json", root / "classes.txt"], "a class list")
    if listed.suffix == ".json":
        return _read_json(listed)
    lines = lines_of(read_text(listed, "class list"))
    names = [line.strip() for line in lines if line.strip() and not is_remark(line)]
    known = (checked_name(name, f"class {number} of {listed}") for number, name in enumerate(names))
    return _checked([SourceClass(name, native_id=number) for number, name in enumerate(known)], listed), None


def _read_json(listed: Path) -> tuple[list[SourceClass], int | None]:
    document = read_json(listed, "class list")
    try:
        records = document["classes"] if isinstance(document, dict) else document
        void = document.get("void_id") if isinstance(document, dict) else None
        classes = [_source_class(one, f"class {number} of {listed}") for number, one in enumerate(records)]
        named = [one for one in classes if void is None or one.native_id != int(void)]  # "unlabelled" is no class
        return _checked(named, listed), None if void is None else int(void)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"classes with id and name in {listed}", got, "complete the list") from error


def _source_class(one: Mapping[str, Any], where: str) -> SourceClass:
    name = checked_name(one["name"], where)
    found = one.get("prompt_names", one.get("synonyms", ()))
    given = [term for term in found.split(",") if term.strip()] if isinstance(found, str) else found
    synonyms = tuple(term for raw in given if (term := checked_name(raw, where)) != name)
    counts = one.get("isthing", one.get("is_thing", True))
    return SourceClass(name, None if counts is None else as_flag(counts), synonyms, int(one["id"]))


def _checked(classes: list[SourceClass], file: Path) -> list[SourceClass]:
    distinct((one.name for one in classes), str(file))
    repeated = [number for number, times in Counter(one.native_id for one in classes).items() if times > 1]
    if repeated:
        raise DataError(f"each class id once in {file}", f"{repeated[0]} twice", "remove one")
    if not classes or any(not 0 <= one.native_id <= 255 for one in classes):
        raise DataError(f"named classes with ids 0..255 in {file}", f"{len(classes)} classes", "correct the list")
    return classes
