"""Boxes and points as people write them: a CSV or TSV with a head, or the boxes of a COCO JSON.

    image,x,y,width,height            x, y: the upper left corner
    image,x,y[,positive][,object]     positive: 1 on the object, 0 beside it

Pixels of the upright photo, fractions allowed. A column `class` or `label` says what is shown. Without `object` every
positive point is an object of its own, and the negative ones of a photo hold for all of them; with it, the rows of a
photo that have the same are one object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retclip.data.coco_instances import categories_of, objects_of
from retclip.data.coco_records import photos_by_id, read_document
from retclip.data.label_table import FILE, LABEL, table_rows
from retclip.data.table_columns import column_place
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.regions import Box, Point, Region

YES, NO = frozenset({"1", "true", "yes", "+", "positive"}), frozenset({"0", "false", "no", "-", "negative"})


@dataclass(frozen=True)
class Mark:
    """An object as a file marks it. image: the photo as the file names it. where: the record, for errors. photo: what
    a COCO JSON says of the photo."""

    image: str
    where: str
    region: Region
    photo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Row:
    """where: the row, for errors. cells: by the key of the column."""

    where: str
    image: str
    class_name: str
    cells: Mapping[str, str]

    def number(self, column: str) -> float:
        text = self.cells[column]
        try:
            value = float(text)
        except ValueError as error:
            raise DataError(f"a number as {column} in {self.where}", repr(text), "correct the row") from error
        if not math.isfinite(value):
            raise DataError(f"a finite number as {column} in {self.where}", text, "correct the row")
        return value


def read_boxes(file: Path, class_name: str) -> list[Mark]:
    """The boxes of a CSV, TSV or COCO JSON, in its order. class_name: of all, where the file says no class. Raises
    DataError, naming file and record."""
    if file.suffix.lower() == ".json":
        return _coco_boxes(file)
    marks = []
    for row in _rows(file, ("x", "y", "width", "height"), class_name):
        x, y, width, height = (row.number(key) for key in ("x", "y", "width", "height"))
        marks.append(Mark(row.image, row.where, Region(row.class_name, _box(x, y, width, height, row.where))))
    return marks


def read_points(file: Path, class_name: str) -> list[Mark]:
    """The points of a CSV or TSV as objects, in the order of their first points. Otherwise as `read_boxes`."""
    rows = _rows(file, ("x", "y"), class_name)
    objects: dict[tuple[str, str, str], list[tuple[_Row, Point]]] = {}
    beside: dict[tuple[str, str], list[tuple[_Row, Point]]] = {}
    for number, row in enumerate(rows):
        point, numbered = Point(row.number("x"), row.number("y"), _positive(row)), "object" in row.cells
        if numbered and not row.cells["object"]:
            raise DataError(f"an object's number or name in {row.where}", "an empty cell", "complete the row")
        if numbered or point.positive:
            key = row.image, name_key(row.class_name), row.cells["object"] if numbered else str(number)
            objects.setdefault(key, []).append((row, point))
        else:
            beside.setdefault((row.image, name_key(row.class_name)), []).append((row, point))
    lonely = [found[0][0] for key, found in beside.items() if key not in {one[:2] for one in objects}]
    lonely += [found[0][0] for found in objects.values() if not any(point.positive for _, point in found)]
    if lonely:
        todo = "mark a point on the object, too"
        raise DataError(f"a positive point beside the negative one in {lonely[0].where}", "none", todo)
    return [
        Mark(image, found[0][0].where, Region(found[0][0].class_name, None, tuple(
            point for _, point in (*found, *beside.get((image, key), ())))))
        for (image, key, _), found in objects.items()
    ]  # fmt: skip


def _rows(file: Path, needed: tuple[str, ...], class_name: str) -> list[_Row]:
    rows = table_rows(file)
    head = [name_key(cell) for cell in rows[0]]
    lacking = [one for one in needed if one not in head]
    if lacking:
        got = f"{', '.join(rows[0])[:200]}, without {', '.join(lacking)}"
        raise DataError(f"a head image,{','.join(needed)} in row 1 of {file}", got, "name the columns in the first row")
    if len(set(head)) < len(head):
        raise DataError(f"different columns in {file}", ", ".join(rows[0]), "rename one")
    image_at = column_place([cell.strip() for cell in rows[0]], "", FILE, file, "the column image")
    class_at = next((head.index(name_key(one)) for one in LABEL if name_key(one) in head), None)
    if class_at is None and not class_name:
        raise DataError(f"a column `class` in {file}, or shows=CLASS in the address", "neither", "say what is marked")
    found = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        where = f"row {number} of {file}"
        if len(row) != len(head):
            raise DataError(f"{len(head)} cells in {where}", f"{len(row)}", "complete the row")
        cells = dict(zip(head, (cell.strip() for cell in row), strict=True))
        image, shown = row[image_at].strip(), class_name if class_at is None else row[class_at].strip()
        if not image or not shown:
            raise DataError(f"a photo and what it shows in {where}", f"{row}"[:80], "complete the row")
        found.append(_Row(where, image, checked_name(shown, where), cells))
    if not found:
        raise DataError(f"a marked object in {file}", "empty rows only", "write a row for each")
    return found


def _positive(row: _Row) -> bool:
    text = row.cells.get("positive", "1").lower()
    if text not in YES | NO:
        raise DataError(f"1 or 0 as positive in {row.where}", repr(text), "write 1 on the object, 0 beside it")
    return text in YES


def _box(x: float, y: float, width: float, height: float, where: str) -> Box:
    if width <= 0 or height <= 0:
        raise DataError(f"a box with an area in {where}", f"{width:g} x {height:g} pixels", "correct or remove it")
    return x, y, x + width, y + height


def _coco_boxes(file: Path) -> list[Mark]:
    """Without crowds: the box of several objects tells nothing of any of them."""
    document = read_document(file, "instances")
    categories, photos = categories_of(document, file), photos_by_id(document, file)
    marks = []
    for key, objects in objects_of(document, file, categories, photos).items():
        for number, one in objects:
            if one.get("iscrowd"):
                continue
            where = f"annotation {number} of {file}"
            x, y, width, height = _four_numbers(one.get("bbox"), where)
            region = Region(categories[one["category_id"]].name, _box(x, y, width, height, where))
            marks.append(Mark(photos[key]["file_name"], where, region, photos[key]))
    if not marks:
        got = "crowds only" if document["annotations"] else "no annotation"
        raise DataError(f"a box in {file}", got, "use a file with `bbox` in its annotations")
    return marks


def _four_numbers(found: Any, where: str) -> tuple[float, float, float, float]:
    right = isinstance(found, list) and len(found) == 4
    if not right or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in found
    ):
        raise DataError(f"bbox as [x, y, width, height] in {where}", repr(found)[:60], "correct or remove it")
    x, y, width, height = map(float, found)
    return x, y, width, height
