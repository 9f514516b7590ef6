"""Photos and one table of their labels: a CSV or TSV with a column of files and one of classes.

    file,label
    a.jpg,fox
    b.jpg,fox; owl          several, parted by `;` or `|`, or further lines of the same file

The table is `labels.csv` or `labels.tsv` in the folder; files are relative to the folder, or to `images/` in it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field

from retclip.data.class_choice import AnnotatedSettings, data_set_name
from retclip.data.coco_records import first_of, stay_inside
from retclip.data.named_images import NamedImage, NamedImages
from retclip.data.table_columns import column_place
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.plugin.contracts import SourceClass

FILE = ("file", "file_name", "filename", "image", "path")
LABEL = ("label", "labels", "class", "classes", "category", "tags")


class LabelTableSettings(AnnotatedSettings):
    table: str = Field("", description="the table's name, if it is not labels.csv or labels.tsv")
    file_column: str = Field("", description=f"the column of files; otherwise the first of {', '.join(FILE)}")
    label_column: str = Field("", description=f"the column of classes; otherwise the first of {', '.join(LABEL)}")


class LabelTable(NamedImages):
    """An ImageSource over the photos that the table names; a split is a table of its own (`labels_SPLIT.csv`)."""

    def __init__(self, settings: LabelTableSettings) -> None:
        root, dotted = Path(settings.path).absolute(), f"_{settings.split}" if settings.split else ""
        places = [root / f"labels{dotted}{end}" for end in (".csv", ".tsv")]
        table = root / settings.table if settings.table else first_of(places, "the table of labels")
        said: dict[str, dict[str, None]] = {}
        spelled: dict[str, str] = {}
        for number, file, labels in read_rows(table, settings):
            stay_inside(file, f"row {number} of {table}")
            for label in labels:
                said.setdefault(file, {})[spelled.setdefault(name_key(label), label)] = None
        folder = root / "images" if (root / "images").is_dir() else root
        images = [
            NamedImage(file, root / file if (root / file).exists() else folder / file, tuple(names))
            for file, names in said.items()
        ]
        name = data_set_name(root, settings.split)
        super().__init__(name, [SourceClass(one, None) for one in spelled.values()], images, settings)


def read_rows(table: Path, settings: LabelTableSettings) -> Iterator[tuple[int, str, list[str]]]:
    """(row, file, its labels), the head being row 1. Raises DataError with the row's number."""
    rows = table_rows(table)
    head = [cell.strip() for cell in rows[0]]
    file_at = column_place(head, settings.file_column, FILE, table, "file_column")
    label_at = column_place(head, settings.label_column, LABEL, table, "label_column")
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(file_at, label_at):
            raise DataError(f"{len(head)} cells in row {number} of {table}", f"{len(row)}", "complete the row")
        file, labels = row[file_at].strip(), [one.strip() for one in re.split(r"[;|]", row[label_at])]
        if not file or not all(labels):
            raise DataError(f"a file and its labels in row {number} of {table}", f"{row}"[:80], "complete the row")
        yield number, file, [checked_name(one, f"row {number} of {table}") for one in labels]


def table_rows(table: Path) -> list[list[str]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
        tabs = table.suffix.lower() == ".tsv" or "\t" in text.partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"a readable table: {table}", str(error), "save it as CSV in UTF-8") from error
    rows = list(csv_rows(text.splitlines(), tabs, table))
    if len(rows) < 2:
        raise DataError(f"a head and rows in {table}", f"{len(rows)} rows", "write a photo a row")
    return rows


def csv_rows(lines: Iterable[str], tabs: bool, table: Path) -> Iterator[list[str]]:
    """The rows of a table's lines. Raises DataError with the line where a row of malformed quotes begins: an open
    quote is noticed far behind it."""
    rows, line = csv.reader(lines, delimiter="\t" if tabs else ",", strict=True), 1
    try:
        for row in rows:
            yield row
            line = rows.line_num + 1
    except csv.Error as error:
        expected = f"well-formed quotes in line {line} of {table}"
        raise DataError(expected, str(error), "double or remove the quotes") from error
