"""The number of each class of a list: what a label map holds where it shows the class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from retclip.data.class_entries import COUNTS, NAME, TERMS, ClassEntry, column_of
from retclip.data.readers.text.text_tables import table_rows
from retclip.errors import DataError

BEFORE, BEHIND = re.compile(r"(\d+)\W+\w"), re.compile(r".*\w\s*[:;=]\s*(\d+)\W*$")  # "2 sky"; "sky: 2"
COLOURS = frozenset({"r", "g", "b", "red", "green", "blue"})


def class_numbers(entries: Sequence[ClassEntry], listed: Path) -> list[int]:
    """Return the stated numbers; where none is stated the classes' places, from 0.

    listed: the list.

    Raises DataError where some classes have a number and others none, and where the list seems to state other numbers
    than the places in a way that is not read: maps would be named at random.
    """
    numbers = [entry.number for entry in entries if entry.number is not None]
    if len(numbers) == len(entries):
        return numbers
    if numbers:
        lacking = next(entry.name for entry in entries if entry.number is None)
        raise DataError(f"a number for each class or for none in {listed}", f"none for {lacking!r}", "add it")
    places = list(range(len(entries)))
    for where, stated in (*_in_lines(entries), *_in_columns(listed)):
        if len(set(stated)) == len(entries) > 1 and stated != places:
            todo = "write `7: name` a line, or call the column `id`; where the order counts, write `0: name`"
            raise DataError(f"numbers of classes before a colon, or in a column `id`, in {listed}", where, todo)
    return places


def _in_lines(entries: Sequence[ClassEntry]) -> Iterator[tuple[str, list[int]]]:
    """Yield what may be numbers in the names, or among the terms, with an example."""
    for pattern in (BEFORE, BEHIND):
        found = [pattern.match(entry.name) for entry in entries]
        yield repr(entries[0].name), [int(match[1]) for match in found if match]
    terms = [next((term for term in entry.synonyms if term.isdecimal()), "") for entry in entries]
    yield f"{entries[0].name!r}, called {terms[0]!r}, too", [int(term) for term in terms if term]


def _in_columns(listed: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield the columns of a table that are not read and hold whole numbers."""
    if listed.suffix.lower() not in (".csv", ".tsv"):
        return
    head, *rows = (row for _, row in table_rows(listed) if not isinstance(row, DataError))
    read = {column_of(head, usual) for usual in (NAME, TERMS, COUNTS)}
    for at, title in enumerate(head):
        cells = [row[at].strip().removesuffix(".0") for row in rows if at < len(row) and any(map(str.strip, row))]
        if at not in read and title.strip().casefold() not in COLOURS and all(cell.isdecimal() for cell in cells):
            yield f"a column {title.strip()!r}", [int(cell) for cell in cells]
