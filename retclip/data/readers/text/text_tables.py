"""Tables as people save them: cells parted by commas, semicolons, tabs or bars, read row by row.

A row that cannot be read costs that row: malformed quotes are noticed far behind the place where they stand, so reading
goes on with the line behind the one where the row began. White space in quotes stays, line breaks too.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from retclip.documents import check_file, encoding_of
from retclip.errors import DataError
from retclip.limits import current, shown
from retclip.passed_over import BAD_ROWS, Tally

Row = list[str] | DataError
DELIMITERS = (",", ";", "\t", "|")  # the first of those that come most often in a head
SEPARATOR = re.compile(r'"?sep=(.)"?')


def table_rows(table: Path, delimiter: str = "") -> Iterator[tuple[int, Row]]:
    """Read a table, streamed: the number of each row, the head being 1, with its cells, or what is wrong with it. Empty
    lines above the head are counted, and not given.

    delimiter: between cells; "" for what a line `sep=;` above the head says, as Excel writes it, tabs in a .tsv, else
    whichever the head shows.

    Raises DataError where the file cannot be read at all.
    """
    try:
        check_file(table)
        with table.open("rb") as file:
            encoding = encoding_of(file.read(2))
        with table.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            lines = _lines(file)
            head, first, blank = next(lines, ""), 1, 0
            while head and not head.strip():  # as spreadsheets keep empty rows above a table
                head, first, blank = next(lines, ""), first + 1, blank + 1
            if separator := SEPARATOR.fullmatch(head.rstrip("\r\n")):
                head, first, delimiter = next(lines, ""), first + 1, delimiter or separator[1]
            delimiter = delimiter or ("\t" if table.suffix.lower() == ".tsv" else delimiter_of(head))
            yield from enumerate(csv_rows(_again(head, lines), delimiter, table, first), start=1 + blank)
    except (OSError, UnicodeError) as error:
        raise DataError(f"a readable table: {table}", str(error), "check the path; save it as CSV in UTF-8") from error


def head_of(rows: Iterator[tuple[int, Row]]) -> list[str]:
    """Return the first row of a table, [] of an empty one. Raises DataError where it cannot be read."""
    head = next(rows, (1, []))[1]
    if isinstance(head, DataError):
        raise head
    return head


def usable_rows(table: Path, tally: Tally) -> Iterator[tuple[str, list[str]]]:
    """Yield (where it stands, cells) of the head, then of each row with content.

    tally: gets the unreadable rows, and those with cells beyond the head's.

    Raises DataError for a table without a head.
    """
    rows = table_rows(table)
    head = head_of(rows)
    if not head:
        raise DataError(f"a head and rows in {table}", "none", "name the columns in the first row")
    yield f"row 1 of {table}", [cell.strip() for cell in head]
    for number, row in rows:
        where = f"row {number} of {table}"
        if isinstance(row, DataError):
            tally.fault(BAD_ROWS, where, str(table), row)
        elif any(cell.strip() for cell in row[len(head) :]):
            error = DataError(f"{len(head)} cells in {where}", f"{len(row)}", "quote cells that hold separators")
            tally.fault(BAD_ROWS, where, str(table), error)
        elif any(cell.strip() for cell in row):
            yield where, row


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines with their ends; of a line too long for a row, a little more than a row may have."""
    most = current().text_bytes
    while line := file.readline(most + 1):
        yield line
        while len(line) > most and line[-1] not in "\r\n":
            line = file.readline(most + 1)


def delimiter_of(head: str) -> str:
    """Return the delimiter of a head: "image;caption" are two columns."""
    return max(DELIMITERS, key=head.count)


def csv_rows(lines: Iterable[str], delimiter: str, table: Path, first: int = 1) -> Iterator[Row]:
    """Yield the rows of a table's lines; a malformed row is a DataError with the line where it begins.

    lines: with their ends.
    first: the number of the first line.
    """
    waiting, following, number = deque[str](), iter(lines), first
    taken: list[str] = []
    most, length = current().text_bytes, 0

    def next_lines() -> Iterator[str]:
        nonlocal length
        while (line := waiting.popleft() if waiting else next(following, None)) is not None:
            taken.append(line)
            length += len(line)
            if length > most:  # also of short lines, in quotes
                raise csv.Error(f"more than {shown(most)} in a row (limits.text_kib)")
            yield line

    rows = csv.reader(next_lines(), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
    while True:
        taken.clear()
        length = 0
        try:
            row = next(rows, None)
        except csv.Error as error:
            expected = f"well-formed quotes in line {number} of {table}"
            yield DataError(expected, str(error), "double or remove the quotes")
            waiting.extendleft(reversed(taken[1:]))
            rows = csv.reader(next_lines(), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
            number += 1
            continue
        if row is None:
            return
        yield row if all(map(_is_text, taken)) else _undecodable(number, table)
        number += len(taken)


def _again(head: str, lines: Iterable[str]) -> Iterator[str]:
    if head:
        yield head
    yield from lines


def _is_text(line: str) -> bool:
    return line.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in line)


def _undecodable(number: int, table: Path) -> DataError:
    return DataError(f"text in UTF-8 in line {number} of {table}", "other bytes", "save the table as CSV in UTF-8")
