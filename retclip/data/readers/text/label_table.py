"""Photos and one table of their labels: a CSV or TSV with a column of files and one of classes.

    file,label
    a.jpg,fox
    b.jpg,fox; owl          several, parted by `;` or `|`, or further lines of the same file

The table is `labels.csv` or `labels.tsv` in the folder; files are relative to the folder, or to `images/` in it. A row
that cannot be used costs that row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from retclip.data.class_choice import AnnotatedSettings, data_set_name
from retclip.data.photo_files import NamedPhotos, inside_name
from retclip.data.readers.coco.coco_records import only_one
from retclip.data.readers.text.named_images import NamedImage, NamedImages
from retclip.data.readers.text.table_columns import column_place, count_unread
from retclip.data.readers.text.text_tables import usable_rows
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.passed_over import BAD_ROWS, PassedOver, Tally
from retclip.plugin.contracts import SourceClass

FILE = ("file", "file_name", "filename", "image", "path")
LABEL = (  # names before what may be numbers
    "class_name", "label_name", "category_name", "label", "labels", "class", "classes", "category", "tags",
)  # fmt: skip


class LabelTableSettings(AnnotatedSettings):
    """Settings of a source of photos and a table of their labels."""

    table: str = Field("", description="the table's name, if it is not labels.csv or labels.tsv")
    file_column: str = Field("", description=f"the column of files; otherwise the first of {', '.join(FILE)}")
    label_column: str = Field("", description=f"the column of classes; otherwise the first of {', '.join(LABEL)}")


class LabelTable(NamedImages):
    """An ImageSource over the photos that the table names; a split is a table of its own (`labels_SPLIT.csv`)."""

    def __init__(self, settings: LabelTableSettings) -> None:
        root, dotted = Path(settings.path).absolute(), f"_{settings.split}" if settings.split else ""
        places = [root / f"labels{dotted}{end}" for end in (".csv", ".tsv")]
        table = root / settings.table if settings.table else only_one(places, "the table of labels", "table")
        labels_of: dict[str, dict[str, None]] = {}
        spelled: dict[str, str] = {}
        self._tally = Tally()
        for file, labels in read_rows(table, settings, self._tally):
            for label in labels:
                labels_of.setdefault(file, {})[spelled.setdefault(name_key(label), label)] = None
        if not labels_of:
            bad = self._tally.total.bad
            got = f"{len(bad)} rows that cannot be read, first {bad[0].reason}" if bad else "no row"
            raise DataError(f"a head and rows in {table}", got, "write a photo a row")
        photos = NamedPhotos([root, *([root / "images"] if (root / "images").is_dir() else [])], labels_of)
        images = [NamedImage(file, photos.path(file), tuple(names)) for file, names in labels_of.items()]
        name = data_set_name(root, settings.split)
        super().__init__(name, [SourceClass(name, None) for name in spelled.values()], images, settings)

    def passed_over(self) -> PassedOver:
        """Return the unusable rows."""
        return self._tally.total


def read_rows(table: Path, settings: LabelTableSettings, tally: Tally) -> Iterator[tuple[str, list[str]]]:
    """Yield (file, its labels) of each row.

    tally: gets the unusable rows; the head is row 1.

    Raises DataError for a head without the columns.
    """
    rows = usable_rows(table, tally)
    head = next(rows)[1]
    file_at = column_place(head, settings.file_column, FILE, table, "file_column")
    label_at = column_place(head, settings.label_column, LABEL, table, "label_column")
    count_unread(head, (file_at, label_at), tally)
    for where, row in rows:
        try:
            if len(row) <= max(file_at, label_at):
                raise DataError(f"{len(head)} cells in {where}", f"{len(row)}", "complete the row")
            labels = re.split(r"[;|]", row[label_at])
            if not row[file_at].strip() or not all(map(str.strip, labels)):
                raise DataError(f"a file and its labels in {where}", f"{row}"[:80], "complete the row")
            yield inside_name(row[file_at], where), [checked_name(label, where) for label in labels]
        except DataError as error:
            tally.fault(BAD_ROWS, where, str(table), error)
