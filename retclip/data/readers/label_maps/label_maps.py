"""Label maps: one byte per pixel and a list of classes; CamVid's and many own data sets' form.

FOLDER/classes.json ([{"id", "name", "isthing", "prompt_names"}], "void_id") or a list by the rules of `--classes`, as
FOLDER/classes.txt (a name per line, ids from 0, or `7: name`; `car | thing`, `sky | stuff`), classes.csv or data.yaml;
FOLDER[/SPLIT]/images and FOLDER[/SPLIT]/labels with equal stems. 255 is void where nobody says otherwise. Such maps
have no instances: of a thing class, each 8-connected component stands in for one, so touching objects are one segment.
A class that the list calls neither thing nor stuff is one segment, and of unknown kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retclip.data.class_choice import data_set_name
from retclip.data.class_entries import read_entries
from retclip.data.class_numbers import class_numbers
from retclip.data.flags import as_flag, as_whole
from retclip.data.readers.coco.coco_records import first_of
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings, LabelMapSource
from retclip.data.readers.label_maps.map_pairs import Pairs, matched_pairs
from retclip.documents import read_json
from retclip.errors import DataError
from retclip.names import checked_name, distinct
from retclip.passed_over import Tally
from retclip.plugin.contracts import SourceClass

LISTS = ("classes.json", *(f"classes{end}" for end in (".txt", ".csv", ".tsv", ".yaml", ".yml")), "data.yaml")


class LabelMaps(LabelMapSource):
    """An ImageSource over one split."""

    def __init__(self, settings: LabelMapSettings) -> None:
        root = Path(settings.path).absolute()  # stored with each photo, and read from elsewhere later
        folder = root / settings.split if settings.split else root
        listed = first_of([root / name for name in LISTS], "a class list")
        classes, void = read_classes(listed)
        name = data_set_name(root, settings.split)
        photos, labels = folder / "images", folder / "labels"
        matched = matched_pairs(photos, labels)
        tally = Tally(matched.passed_over)
        tally.skip(f"class lists beside {listed.name}", sum((root / name).is_file() for name in LISTS) - 1)
        super().__init__(name, photos, classes, void, Pairs(matched.pairs, tally.total), settings)


def read_classes(listed: Path) -> tuple[list[SourceClass], int | None]:
    """Return (classes, the void id or None) of a list. Raises DataError."""
    if listed.suffix == ".json":
        return _read_json(listed)
    entries = read_entries(listed)
    classes = [
        SourceClass(entry.name, entry.is_thing, entry.synonyms, number)
        for entry, number in zip(entries, class_numbers(entries, listed), strict=True)
    ]
    return _checked(classes, listed), None


def _read_json(listed: Path) -> tuple[list[SourceClass], int | None]:
    document = read_json(listed, "class list")
    try:
        records = document["classes"] if isinstance(document, dict) else document
        void = document.get("void_id") if isinstance(document, dict) else None
        void = None if void is None else as_whole(void)
        classes = [_source_class(record, f"class {number} of {listed}") for number, record in enumerate(records)]
        real = [
            source_class for source_class in classes if void is None or source_class.native_id != void
        ]  # "unlabelled" is no class
        return _checked(real, listed), void
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"classes with id and name in {listed}", got, "complete the list") from error


def _source_class(record: Mapping[str, Any], where: str) -> SourceClass:
    name = checked_name(record["name"], where)
    listed = record.get("prompt_names", record.get("synonyms", ()))
    terms = [term for term in listed.split(",") if term.strip()] if isinstance(listed, str) else listed
    synonyms = tuple(term for raw in terms if (term := checked_name(raw, where)) != name)
    counts = record.get("isthing", record.get("is_thing"))
    return SourceClass(name, None if counts is None else as_flag(counts), synonyms, as_whole(record["id"]))


def _checked(classes: list[SourceClass], file: Path) -> list[SourceClass]:
    distinct((source_class.name for source_class in classes), str(file))
    repeated = [
        number for number, times in Counter(source_class.native_id for source_class in classes).items() if times > 1
    ]
    if repeated:
        raise DataError(f"each class id once in {file}", f"{repeated[0]} twice", "remove one")
    if not classes or any(not 0 <= source_class.native_id <= 255 for source_class in classes):
        raise DataError(f"named classes with ids 0..255 in {file}", f"{len(classes)} classes", "correct the list")
    return classes
