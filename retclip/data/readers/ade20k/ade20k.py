"""ADE20K's scene parsing challenge, read: 150 classes, a byte per pixel (ADEChallengeData2016).

`images/SPLIT/*.jpg`, `annotations/SPLIT/*.png` with 0 = void and 1 to 150, names in `objectInfo150.txt`, or `.csv`
where that is missing (columns Idx and Name; synonyms after commas). The things are those of the instance challenge's
`categoryMapping.txt` where it is there, else those of the challenge's own 150 classes (`challenge_kinds`), else those
that the table's column `Stuff` leaves; a setting names another list. Such maps have no instances: components of a
thing class stand in for them, so touching objects are one. For annotations with instances use `coco-panoptic`
(ade20k_panoptic_SPLIT.json) or `ade20k-full`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from retclip.data.class_choice import data_set_name
from retclip.data.flags import as_flag
from retclip.data.readers.ade20k.challenge_kinds import challenge_things
from retclip.data.readers.coco.coco_records import first_of
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings, LabelMapSource
from retclip.data.readers.label_maps.map_pairs import matched_pairs
from retclip.documents import lines_of, read_text
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.plugin.contracts import SourceClass

TABLES = ("objectInfo150.txt", "objectInfo150.csv")
MAPPINGS = ("categoryMapping.txt", "annotations_instance/categoryMapping.txt")


class AdeChallenge(LabelMapSource):
    """An ImageSource over one split."""

    strange = "complete the class list: take map and table of one challenge, in which {number} is a class"

    def __init__(self, settings: LabelMapSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split or "training"
        classes = read_classes(first_of([root / name for name in TABLES], "the table of classes"), root)
        photos = root / "images" / split
        pairs = matched_pairs(photos, root / "annotations" / split)
        super().__init__(data_set_name(root, split), photos, classes, 0, pairs, settings)


def read_classes(table: Path, root: Path) -> list[SourceClass]:
    """Return the classes of a table with the columns Idx and Name. Raises DataError with the row's number."""
    classes: dict[int, SourceClass] = {}
    names: set[str] = set()
    for number, row in enumerate(_rows(table), start=2):
        source_class = _source_class(row, number, table)
        index, name = source_class.native_id, source_class.name
        if not 1 <= index <= 255 or index in classes or name_key(name) in names:
            got = f"{index} {row['Name']!r}"[:80]
            raise DataError(f"a new Idx of 1 to 255 and a new Name in row {number} of {table}", got, "correct the row")
        names.add(name_key(name))
        classes[index] = source_class
    if not classes:
        raise DataError(f"rows of classes in {table}", "none", "take the challenge's own file")
    things = _things(root, classes)
    if things is None:
        return list(classes.values())
    return [replace(source_class, is_thing=number in things) for number, source_class in classes.items()]


def _source_class(row: Mapping[str, str], number: int, table: Path) -> SourceClass:
    """Return the class of a row, a thing or stuff by the column `Stuff`. Raises DataError."""
    where = f"row {number} of {table}"
    try:
        index, name, stuff = int(row["Idx"]), row["Name"], (row.get("Stuff") or "").strip()
        terms = [checked_name(term, where) for term in name.replace(";", ",").split(",") if term.strip()]
        is_thing = None if not stuff else not as_flag(stuff)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"Idx and Name in {where}", got, "take the challenge's own file") from error
    if ";" in name and table.suffix.lower() == ".csv":  # "traffic;light;signal": nobody knows where a term ends
        raise DataError(f"synonyms after commas in {where}", repr(name)[:80], "take objectInfo150.txt")
    if not terms:
        got = f"{index} {name!r}"[:80]
        raise DataError(f"a new Idx of 1 to 255 and a new Name in {where}", got, "correct the row")
    synonyms = tuple(dict.fromkeys(term for term in terms[1:] if term != terms[0]))
    return SourceClass(terms[0], is_thing, synonyms, index)


def _things(root: Path, classes: Mapping[int, SourceClass]) -> frozenset[int] | None:
    """Return the numbers of the things; None where only the table can say it."""
    mapping = next((root / name for name in MAPPINGS if (root / name).is_file()), None)
    if mapping is not None:
        return _mapped_things(mapping)
    return challenge_things({number: source_class.name for number, source_class in classes.items()})


def _rows(table: Path) -> list[Mapping[str, str]]:
    """Return the rows by the names of the table's columns, which tabs or commas part."""
    text = read_text(table, "table of classes")
    try:
        head = text.partition("\n")[0]
        rows = csv.DictReader(lines_of(text), delimiter="\t" if "\t" in head else ",", skipinitialspace=True)
        return [{str(key).strip(): value for key, value in row.items()} for row in rows]
    except csv.Error as error:
        raise DataError(f"a readable table of classes: {table}", str(error), "unpack it again") from error


def _mapped_things(file: Path) -> frozenset[int]:
    """Return the second column of numbers: for each of the 100 classes with instances its number among the 150."""
    text = read_text(file, "table of things")
    try:
        lines = [line.split() for line in lines_of(text) if line.strip()]
        return frozenset(int(line[1]) for line in lines if line[0].isdecimal())
    except (ValueError, IndexError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"two numbers in each line of {file}", got, "take the challenge's own file") from error
