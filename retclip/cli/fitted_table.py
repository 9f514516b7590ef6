"""A table that a narrow terminal never cuts: key columns whole, others where there is room, constant ones said once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from retclip.cli import output, streams

GAPS = (2, 1)  # blanks between two columns, and where that is too much


def fitted_table(
    title: str, keys: Sequence[str], optional: Sequence[str], rows: Sequence[Mapping[str, Any]], wide: bool = False
) -> None:
    """Print the rows on stdout.

    keys: columns that are always shown; where even they do not fit, a cell goes on in the next line.
    optional: columns that are shown where they differ between the rows and there is room; a common value is said once.
    rows: a value per column, None = nothing.
    wide: show every column, however wide the terminal is. Without a terminal every column is written, tab-separated.
    """
    cells = [{name: output.cell(row[name]) for name in (*keys, *optional)} for row in rows]
    if not streams.for_data().isatty():
        output.table(title, (*keys, *optional), [[row[name] for name in (*keys, *optional)] for row in cells])
        return
    room = shutil.get_terminal_size().columns
    constant = {} if wide else {name: cells[0][name] for name in optional if cells and _constant(name, cells)}
    varying = [name for name in optional if name not in constant]
    columns = [*keys, *(varying if wide else _that_fit(keys, varying, cells, room))]
    gap = next((gap for gap in GAPS if _width(columns, cells, gap) <= room), GAPS[-1])
    _draw(title, columns, cells, gap, max(room, _width(columns, cells, gap)) if wide else room)
    note = ", ".join(f"{name} {value}" for name, value in constant.items() if value)
    if note:
        output.line(f"the same for all: {note}", "  ")
    hidden = [name for name in varying if name not in columns]
    if hidden:
        output.line(f"no room for {', '.join(hidden)}: --wide", "  ")


def _constant(name: str, cells: Sequence[Mapping[str, str]]) -> bool:
    return len({row[name] for row in cells}) == 1


def _that_fit(keys: Sequence[str], optional: Sequence[str], cells: Sequence[Mapping[str, str]], room: int) -> list[str]:
    fitting: list[str] = []
    for name in optional:
        if _width([*keys, *fitting, name], cells, GAPS[0]) <= room:
            fitting.append(name)
    return fitting


def _width(names: Sequence[str], cells: Sequence[Mapping[str, str]], gap: int) -> int:
    """Return the width of the columns side by side, in characters."""
    from rich.cells import cell_len

    widest = [max([cell_len(name), *(cell_len(row[name]) for row in cells)]) for name in names]
    return sum(widest) + gap * (len(widest) - 1)


def _draw(title: str, names: Sequence[str], cells: Sequence[Mapping[str, str]], gap: int, width: int) -> None:
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rule = Box("    \n    \n -- \n    \n    \n    \n    \n    ")  # a line under the head, nothing else
    padding = (0, gap - 1, 0, 0)  # the box has a blank between two columns
    table = Table(title=Text(title), title_justify="left", box=rule, show_edge=False, pad_edge=False, padding=padding)
    for name in names:
        table.add_column(Text(name), overflow="fold")
    for row in cells:
        table.add_row(*(Text(row[name]) for name in names))
    Console(file=streams.for_data(), width=width).print(table)
