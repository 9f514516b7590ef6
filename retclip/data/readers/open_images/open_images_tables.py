"""The tables of Open Images: machine ids and names of classes, what is above what, and who shows what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retclip.data.readers.text.text_tables import head_of, table_rows
from retclip.documents import read_json
from retclip.errors import DataError
from retclip.names import checked_name, name_key
from retclip.passed_over import BAD_ROWS, Tally


def read_names(table: Path) -> dict[str, str]:
    """Return each machine id's (/m/...) name; ids of one name get one spelling.

    The table has two columns, with a head or without.

    Raises DataError.
    """
    names: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for number, row in enumerate(_lines(table), start=1):
        if len(row) < 2 or not row[0].strip() or not row[1].strip():
            raise DataError(f"a machine id and a name in row {number} of {table}", f"{row}"[:80], "complete the row")
        if number == 1 and not row[0].startswith("/"):
            continue
        name = checked_name(row[1], f"row {number} of {table}")
        name = spelled.setdefault(name_key(name), name)
        if names.setdefault(row[0].strip(), name) != name:
            raise DataError(f"a new machine id in row {number} of {table}", f"{row[0]} twice", "remove one")
    if not names:
        raise DataError(f"classes in {table}", "none", "download class-descriptions.csv again")
    return names


def read_parents(file: Path) -> dict[str, set[str]]:
    """Return the machine ids directly above each machine id. Raises DataError."""
    parents: dict[str, set[str]] = {}
    waiting: list[tuple[Any, str]] = [(read_json(file, "hierarchy"), "")]
    try:
        while waiting:
            node, above = waiting.pop()
            name = node["LabelName"]
            if not isinstance(name, str):
                raise TypeError(f"the LabelName {name!r}")
            parents.setdefault(name, set()).update({above} - {""})
            waiting += [(child, name) for child in node.get("Subcategory", [])]
    except (KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"LabelName and Subcategory in every node of {file}", got, "download it again") from error
    return parents


def all_above(machine_id: str, parents: Mapping[str, set[str]]) -> set[str]:
    """Return every machine id above one; a circle ends where it closes."""
    above: set[str] = set()
    waiting = [machine_id]
    while waiting:
        new = parents.get(waiting.pop(), set()) - above
        above |= new
        waiting += new
    return above - {machine_id}


def read_rows(
    table: Path, columns: Sequence[str], photos: Mapping[str, Any], tally: Tally
) -> Iterator[tuple[str, list[str]]]:
    """Yield (where the row stands, its cells of `columns`) for each row of a wanted photo.

    The table is streamed, because it has millions of rows.

    columns: the first one holds the photo's id.
    photos: ids of the wanted photos.
    tally: gets the unreadable rows.

    Raises DataError for a head without the columns.
    """
    rows = table_rows(table)
    head = head_of(rows)
    missing = [name for name in columns if name not in head]
    if missing:
        got = ", ".join(head)[:80] or "an empty table"
        raise DataError(f"a column {missing[0]} in {table}", got, "download the table again")
    places = [head.index(name) for name in columns]
    for number, row in rows:
        if isinstance(row, DataError):
            tally.fault(BAD_ROWS, f"row {number} of {table}", str(table), row)
        elif row and len(row) <= max(places):
            where = f"row {number} of {table}"
            short = DataError(f"{max(places) + 1} cells in {where}", f"{row}"[:80], "download it again")
            tally.fault(BAD_ROWS, where, str(table), short)
        elif row and row[places[0]] in photos:
            yield f"row {number} of {table}", [row[place] for place in places]


def _lines(table: Path) -> Iterator[list[str]]:
    """Yield the rows with content. Raises DataError for an unreadable row, on which all other tables depend."""
    for _, row in table_rows(table):
        if isinstance(row, DataError):
            raise row
        if row:
            yield row
