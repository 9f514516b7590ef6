"""What commands print: data on stdout, messages on stderr, errors in three parts with their exit code.

Everything that is printed passes here, and nothing that a file name, a class name or a library says can do harm to a
terminal: it is escaped, and no markup is read from it.
"""

from __future__ import annotations

import csv
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from retclip.cli import streams
from retclip.errors import DataError, PartialFailure, RetCLIPError
from retclip.escaping import json_text, one_line, spreadsheet_cell
from retclip.own_files import FAILURES_HEAD, replaceable
from retclip.passed_over import by_reason

if TYPE_CHECKING:
    from retclip.store.records import Failure


GO_ON = "stopped; what was finished is stored. Run the same command again to go on."


@contextmanager
def told_when_stopped(text: str = GO_ON) -> Iterator[None]:
    """Say `text` where a signal (Ctrl-C) ends the work inside the block."""
    try:
        yield
    except KeyboardInterrupt:
        message(text)
        raise


def data(value: Any) -> None:
    """Print JSON on stdout; null in the place of values that are no number."""
    _echo(json_text(value))


def line(text: str, indent: str = "") -> None:
    """Print a line for people on stdout: on a terminal wrapped at its width, the rest indented."""
    line = indent + one_line(text)
    if streams.for_data().isatty():
        width, further = shutil.get_terminal_size().columns, f"{indent}  "
        line = textwrap.fill(line, width, subsequent_indent=further, break_on_hyphens=False)
    _echo(line)


def message(text: str) -> None:
    """Print a line on stderr."""
    _echo(one_line(text), err=True)


def error(problem: RetCLIPError) -> None:
    """Print the three parts of an error on stderr."""
    message(f"retclip: expected {problem.expected}")
    message(f"         got      {problem.got}")
    message(f"         to do    {problem.todo}")


def say_assumed(assumed: Mapping[str, int]) -> None:
    """Print a line on stderr for each assumption, with the setting that decides it."""
    if assumed:
        cure = "`orientation` decides (upright or stored), in the address or as data.orientation"
        message(f"{by_reason(assumed)}: {cure}")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table on stdout: drawn on a terminal, else tab-separated."""
    if not streams.for_data().isatty():
        for row in (columns, *rows):
            _echo("\t".join(map(cell, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(cell(title), "table.title"), title_justify="left")  # a Text has no markup
    for column in columns:
        drawn.add_column(Text(cell(column)), overflow="fold")  # a name is never cut
    for row in rows:
        drawn.add_row(*(Text(cell(value)) for value in row))
    Console(file=streams.for_data()).print(drawn)


def figure(value: float | int | None) -> str:
    """Return a number for a cell: one decimal for a fraction, - for None."""
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def require_usable(failures: Sequence[Failure], todo: str, any_used: bool = True, inputs: str = "every input") -> None:
    """Exit with PartialFailure's code where something could not be used, with DataError's where nothing could.

    todo: what to do then.
    inputs: what should have been usable.
    """
    if failures:
        got = f"{len(failures)} failures, first {failures[0]}"
        raise (PartialFailure if any_used else DataError)(f"{inputs} to be usable", got, todo)


def write_failures(path: Path, failures: Sequence[Failure]) -> Path:
    """`failures.csv`: one line per input that could not be used, with its reason; removed when there are none. Returns
    where it lies: a file of somebody else's keeps that name, and ours is numbered."""
    listing = replaceable(path)
    if not failures:
        listing.unlink(missing_ok=True)
        return listing
    listing.parent.mkdir(parents=True, exist_ok=True)
    with listing.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(FAILURES_HEAD)
        for failure in failures:
            writer.writerow(
                (*map(spreadsheet_cell, (failure.external_id, failure.uri, failure.reason)), failure.attempts)
            )
    return listing


def _echo(text: str, err: bool = False) -> None:
    stream = sys.stderr if err else streams.for_data()
    typer.echo(_encodable(text, stream), file=stream)


def cell(value: Any) -> str:
    """Return the text of a table's cell: one line, no control characters, letters that stdout can encode."""
    return "" if value is None else _encodable(one_line(value), streams.for_data())


def _encodable(text: str, stream: TextIO) -> str:
    """Letters that the stream has no code for as escapes."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
