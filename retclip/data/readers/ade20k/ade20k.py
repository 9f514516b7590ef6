"""ADE20K's scene parsing challenge, read: 150 classes, a byte per pixel (ADEChallengeData2016).

`images/SPLIT/*.jpg`, `annotations/SPLIT/*.png` with 0 = void and 1 to 150, names in `objectInfo150.txt`, or `.csv`
where that is missing (columns Idx and Name; synonyms after commas). Which classes are things is said by
`categoryMapping.txt` of the instance challenge where it is there; otherwise nobody says it, and the store decides. Such
maps have no instances. For annotations with instances use `coco-panoptic` (ade20k_panoptic_SPLIT.json) or
`ade20k-full`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from retclip.data.class_choice import data_set_name
from retclip.data.readers.coco.coco_records import first_of
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings, LabelMapSource
from retclip.data.readers.label_maps.map_pairs import matched_pairs
from retclip.documents import lines_of, read_text
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.plugin.contracts import SourceClass

TABLES = ("objectInfo150.txt", "objectInfo150.csv")
THINGS = ("categoryMapping.txt", "annotations_instance/categoryMapping.txt")


class AdeChallenge(LabelMapSource):
    """An ImageSource over one split."""

    strange = "complete the class list: take map and table of one challenge, in which {number} is a class"

    def __init__(self, settings: LabelMapSettings) -> None:
        root, split = Path(settings.path).absolute(), settings.split or "training"
        known = read_classes(first_of([root / name for name in TABLES], "the table of classes"), root)
        photos = root / "images" / split
        pairs = matched_pairs(photos, root / "annotations" / split)
        super().__init__(data_set_name(root, split), photos, known, 0, pairs, settings)


def read_classes(table: Path, root: Path) -> list[SourceClass]:
    """The classes of a table with the columns Idx and Name. Raises DataError with the row's number."""
    things = next((_things(root / name) for name in THINGS if (root / name).is_file()), None)
    found: dict[int, SourceClass] = {}
    names: set[str] = set()
    for number, row in enumerate(_rows(table), start=2):
        try:
            index, name = int(row["Idx"]), row["Name"]
            where = f"row {number} of {table}"
            terms = [checked_name(one, where) for one in name.replace(";", ",").split(",") if one.strip()]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            got = f"{type(error).__name__}: {error}"
            raise DataError(f"Idx and Name in row {number} of {table}", got, "take the challenge's own file") from error
        if ";" in name and table.suffix.lower() == ".csv":  # "traffic;light;signal": nobody knows where a term ends
            got = repr(name)[:80]
            raise DataError(f"synonyms after commas in row {number} of {table}", got, "take objectInfo150.txt")
        if not 1 <= index <= 255 or index in found or not terms or name_key(terms[0]) in names:
            got = f"{index} {name!r}"[:80]
            raise DataError(f"a new Idx of 1 to 255 and a new Name in row {number} of {table}", got, "correct the row")
        names.add(name_key(terms[0]))
        synonyms = tuple(dict.fromkeys(term for term in terms[1:] if term != terms[0]))
        found[index] = SourceClass(terms[0], None if things is None else index in things, synonyms, index)
    if not found:
        raise DataError(f"rows of classes in {table}", "none", "take the challenge's own file")
    return list(found.values())


def _rows(table: Path) -> list[Mapping[str, str]]:
    """By the names of its columns, tabs or commas between them."""
    text = read_text(table, "table of classes")
    try:
        head = text.partition("\n")[0]
        rows = csv.DictReader(lines_of(text), delimiter="\t" if "\t" in head else ",", skipinitialspace=True)
        return [{str(key).strip(): value for key, value in row.items()} for row in rows]
    except csv.Error as error:
        raise DataError(f"a readable table of classes: {table}", str(error), "unpack it again") from error


def _things(file: Path) -> frozenset[int]:
    """The second column of numbers: of the 100 classes with instances, their places among the 150."""
    text = read_text(file, "table of things")
    try:
        lines = [line.split() for line in lines_of(text) if line.strip()]
        return frozenset(int(line[1]) for line in lines if line[0].isdecimal())
    except (ValueError, IndexError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"two numbers in each line of {file}", got, "take the challenge's own file") from error
