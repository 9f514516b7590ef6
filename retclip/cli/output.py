"""What commands print: data on stdout, messages on stderr, errors in three parts with their exit code."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retclip.errors import RetCLIPError

if TYPE_CHECKING:
    from retclip.store.ledger import Failure


GO_ON = "stopped; what was finished is stored. Run the same command again to go on."


@contextmanager
def told_when_stopped(told: str = GO_ON) -> Iterator[None]:
    """Inside the block, Ctrl-C says what became of the work."""
    try:
        yield
    except KeyboardInterrupt:
        message(told)
        raise


def data(value: Any) -> None:
    """JSON on stdout."""
    typer.echo(_encodable(json.dumps(value, indent=2, default=str, ensure_ascii=False)))


def message(text: str) -> None:
    """A line on stderr."""
    typer.echo(text, err=True)


def error(problem: RetCLIPError) -> None:
    """The three parts of an error on stderr."""
    message(f"retclip: expected {problem.expected}\n         got      {problem.got}\n         to do    {problem.todo}")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout: drawn for people, tab-separated where stdout is no terminal."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            typer.echo(_encodable("\t".join("" if cell is None else _one_line(cell) for cell in row)))
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*columns, title=title, title_justify="left")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(drawn)


def figure(value: float | int | None) -> str:
    """A number for a cell: one decimal where it has any, - for none."""
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def write_failures(path: Path, failures: Sequence[Failure]) -> None:
    """`failures.csv`: one line per input that could not be used, with its reason; removed when there are none."""
    if not failures:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(("external_id", "uri", "reason", "attempts"))
        for one in failures:
            writer.writerow((_plain(one.external_id), _plain(one.uri), _plain(one.reason), one.attempts))


def _encodable(text: str) -> str:
    """File names that are no Unicode as escapes, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode()


def _one_line(cell: Any) -> str:
    """A cell that cannot break its row: control characters as escapes."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(cell))


def _plain(text: str) -> str:
    """Safe in a spreadsheet: no formula can start a cell, no control character moves the cursor."""
    shown = _one_line(text)
    return f"'{shown}" if shown[:1] in "=+-@" else shown
