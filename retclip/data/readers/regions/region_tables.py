"""Boxes and points as people write them: a CSV or TSV with a head, or the boxes of a COCO JSON.

    image,x,y,width,height            x, y: the upper left corner
    image,x,y[,positive][,object]     positive: 1 on the object, 0 beside it

Pixels of the photo, parts of one allowed; fractions of its sides are refused. A row that cannot be used costs that row.
A column `class` or `label` says what is shown. Without `object` every
positive point is an object of its own, and the negative ones of a photo hold for all of them; with it, the rows of a
photo that have the same are one object.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retclip.data.flags import as_flag
from retclip.data.photo_files import slashed
from retclip.data.readers.coco.coco_instances import categories_of, crowd_flag, objects_of
from retclip.data.readers.coco.coco_records import photos_by_id, read_document
from retclip.data.readers.text.label_table import FILE, LABEL
from retclip.data.readers.text.table_columns import column_place, count_unread, title_key
from retclip.data.readers.text.text_tables import usable_rows
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.names import checked_name, name_key
from retclip.passed_over import BAD_OBJECTS, BAD_ROWS, CROWDS, Tally
from retclip.regions import Box, Point, Region

POSITIVE, OBJECT = "positive", "object"
CALLED = {  # what these columns are called, too
    **dict.fromkeys(("ispositive", "foreground", "isforeground"), POSITIVE),
    **dict.fromkeys(("objectid", "instance", "instanceid"), OBJECT),
}


@dataclass(frozen=True)
class Mark:
    """An object as a file marks it.

    image: the photo as the file names it.
    where: the record, for errors.
    photo: a COCO JSON's record of the photo.
    """

    image: str
    where: str
    region: Region
    photo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Row:
    """A row of a table of marks.

    where: the row, for errors.
    cells: by the key of the column.
    """

    where: str
    image: str
    class_name: str
    cells: Mapping[str, str]

    def number(self, column: str) -> float:
        """Return a cell as a number. Raises DataError."""
        text = self.cells[column]
        try:
            value = float(text)
        except ValueError as error:
            raise DataError(f"a number as {column} in {self.where}", repr(text), "correct the row") from error
        if not math.isfinite(value):
            raise DataError(f"a finite number as {column} in {self.where}", text, "correct the row")
        return value


def read_boxes(file: Path, class_name: str, tally: Tally) -> list[Mark]:
    """Return the boxes of a CSV, TSV or COCO JSON, in its order.

    class_name: of every box, where the file has no class.
    tally: gets the unusable rows and records.

    Raises DataError where the file cannot be used at all.
    """
    if file.suffix.lower() == ".json":
        return _coco_boxes(file, tally)
    marks = []
    for row in _rows(file, ("x", "y", "width", "height"), class_name, tally):
        try:
            x, y, width, height = (row.number(key) for key in ("x", "y", "width", "height"))
            box = _box(x, y, width, height, row.where)
        except DataError as error:
            tally.fault(BAD_ROWS, row.where, str(file), error)
        else:
            marks.append(Mark(row.image, row.where, Region(row.class_name, box)))
    return _some(marks, file, tally)


def _some(marks: list[Mark], file: Path, tally: Tally) -> list[Mark]:
    """Return the marks. Raises DataError where there are none."""
    if not marks:
        bad = tally.total.bad
        got = f"{len(bad)} that cannot be read, first {bad[0].reason}" if bad else "empty rows only"
        raise DataError(f"a marked object in {file}", got, "write a row for each")
    return marks


def read_points(file: Path, class_name: str, tally: Tally) -> list[Mark]:
    """Return the points of a CSV or TSV as objects, in the order of their first points.

    Parameters and errors are those of `read_boxes`.
    """
    objects: dict[tuple[str, str, str], list[tuple[_Row, Point]]] = {}
    beside: dict[tuple[str, str], list[tuple[_Row, Point]]] = {}
    for number, row in enumerate(_rows(file, ("x", "y"), class_name, tally, (POSITIVE, OBJECT))):
        numbered = OBJECT in row.cells
        try:
            point = _point(row)
            if numbered and not row.cells[OBJECT]:
                raise DataError(f"an object's number or name in {row.where}", "an empty cell", "complete the row")
        except DataError as error:
            tally.fault(BAD_ROWS, row.where, str(file), error)
            continue
        if numbered or point.positive:
            key = row.image, name_key(row.class_name), row.cells[OBJECT] if numbered else str(number)
            objects.setdefault(key, []).append((row, point))
        else:
            beside.setdefault((row.image, name_key(row.class_name)), []).append((row, point))
    marked = {key[:2] for key in objects}
    lonely = [rows[0][0] for key, rows in beside.items() if key not in marked]
    lonely += [rows[0][0] for rows in objects.values() if not any(point.positive for _, point in rows)]
    for row in lonely:
        todo = "mark a point on the object, too"
        alone = DataError(f"a positive point beside the negative one in {row.where}", "none", todo)
        tally.fault(BAD_ROWS, row.where, str(file), alone)
    marks = [
        Mark(image, rows[0][0].where, Region(rows[0][0].class_name, None, tuple(
            point for _, point in (*rows, *beside.get((image, key), ())))))
        for (image, key, _), rows in objects.items() if any(point.positive for _, point in rows)
    ]  # fmt: skip
    return _some(marks, file, tally)


def _point(row: _Row) -> Point:
    """Return the point of a row. Raises DataError."""
    x, y = row.number("x"), row.number("y")
    if max(x, y) <= 1 and min(x, y) >= 0 and not (x.is_integer() and y.is_integer()):
        raise _fractions(f"({x:g}, {y:g})", row.where)
    return Point(x, y, _positive(row))


def _fractions(got: str, where: str) -> DataError:
    todo = "multiply them by the photo's width and height"
    return DataError(f"pixels in {where}", f"fractions of 0 to 1, {got}", todo)


def _rows(
    file: Path, needed: tuple[str, ...], class_name: str, tally: Tally, more: tuple[str, ...] = ()
) -> Iterator[_Row]:
    """Yield the rows of a table. needed, more: the columns of numbers, and those that may be there."""
    rows = usable_rows(file, tally)
    names = next(rows)[1]
    head = [CALLED.get(title_key(cell), title_key(cell)) for cell in names]
    lacking = [column for column in needed if column not in head]
    if lacking:
        got = f"{', '.join(names)[:200]}, without {', '.join(lacking)}"
        raise DataError(f"a head image,{','.join(needed)} in row 1 of {file}", got, "name the columns in the first row")
    image_at = column_place(names, "", FILE, file, "the column image")
    class_at = next((head.index(title_key(name)) for name in LABEL if title_key(name) in head), None)
    wanted = {*needed, *more, *(() if class_at is None else (head[class_at],))}
    if any(head.count(column) > 1 for column in wanted):
        raise DataError(f"different columns in {file}", ", ".join(names), "rename one")
    if class_at is None and not class_name:
        raise DataError(f"a column `class` in {file}, or shows=CLASS in the address", "neither", "say what is marked")
    read = {image_at, class_at, *(head.index(column) for column in (*needed, *more) if column in head)}
    count_unread(names, read, tally)
    for where, row in rows:
        try:
            yield _row(where, head, row, image_at, class_name if class_at is None else class_at)
        except DataError as error:
            tally.fault(BAD_ROWS, where, str(file), error)


def _row(where: str, head: Sequence[str], row: Sequence[str], image_at: int, shows: str | int) -> _Row:
    """Return the row's cells with its class. Raises DataError.

    shows: the class, or the place of its column.
    """
    if len(row) < len(head):
        raise DataError(f"{len(head)} cells in {where}", f"{len(row)}", "complete the row")
    cells = dict(zip(head, (cell.strip() for cell in row), strict=False))
    shown = shows if isinstance(shows, str) else row[shows].strip()
    if not row[image_at].strip() or not shown:
        raise DataError(f"a photo and what it shows in {where}", f"{row}"[:80], "complete the row")
    return _Row(where, slashed(row[image_at]), checked_name(shown, where), cells)


def _positive(row: _Row) -> bool:
    text = row.cells.get(POSITIVE, "1")
    try:
        return as_flag(text)
    except ValueError as error:
        todo = "write 1 on the object, 0 beside it"
        raise DataError(f"1 or 0 as positive in {row.where}", repr(text), todo) from error


def _box(x: float, y: float, width: float, height: float, where: str) -> Box:
    if width <= 0 or height <= 0:
        raise DataError(f"a box with an area in {where}", f"{width:g} x {height:g} pixels", "correct or remove it")
    if min(x, y) >= 0 and max(x + width, y + height) <= 1 and (width < 1 or height < 1):
        raise _fractions(f"{width:g} x {height:g} at ({x:g}, {y:g})", where)
    return x, y, x + width, y + height


def _coco_boxes(file: Path, tally: Tally) -> list[Mark]:
    """Return the boxes without crowds: the box of several objects marks none of them."""
    document = read_document(file, "instances")
    categories, photos = categories_of(document, file), photos_by_id(document["images"], file, tally)
    marks, crowds = [], 0
    for key, numbers in objects_of(document, file, categories, photos, tally).items():
        for number in numbers:
            record, where = document["annotations"][number], f"annotation {number} of {file}"
            try:
                if crowd_flag(record, where):
                    crowds += 1
                    continue
                x, y, width, height = _four_numbers(record.get("bbox"), where)
                region = Region(categories[record["category_id"]].name, _box(x, y, width, height, where))
            except DataError as error:
                tally.fault(BAD_OBJECTS, where, str(file), error)
            else:
                marks.append(Mark(photos[key]["file_name"], where, region, photos[key]))
    tally.skip(CROWDS, crowds)
    bad = tally.total.bad
    if not marks:
        got = f"{len(bad)} that cannot be read, first {bad[0].reason}" if bad else "crowds only" if crowds else "none"
        raise DataError(f"a box in {file}", got, "use a file with `bbox` in its annotations")
    return marks


def _four_numbers(numbers: Any, where: str) -> tuple[float, float, float, float]:
    right = isinstance(numbers, list) and len(numbers) == 4
    if not right or not all(
        isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) for number in numbers
    ):
        raise DataError(f"bbox as [x, y, width, height] in {where}", brief(numbers), "correct or remove it")
    x, y, width, height = map(float, numbers)
    return x, y, width, height
