"""Which column of a table holds what: by the name that was given, or by one that is usual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retclip.errors import DataError
from retclip.names import name_key


def column_place(head: Sequence[str], chosen: str, usual: Sequence[str], file: Path, settings: str) -> int:
    """Return the place of a column in a head.

    Capitals and spaces do not count, except where they tell columns apart.

    chosen: its name; "" = the first usual one.
    usual: names of such a column.
    settings: the settings that name the column, for the error.

    Raises DataError where the head has no such column, or several.
    """
    keys = [name_key(column) for column in head]
    names = (chosen,) if chosen else usual
    place = next((keys.index(name_key(name)) for name in names if name_key(name) in keys), None)
    if place is None:
        expected = f"a column {chosen!r}" if chosen else f"one of the columns {', '.join(usual)}"
        got = ", ".join(head)[:80] or "no columns"
        raise DataError(f"{expected} in {file}", got, f"name the columns, or set {settings}")
    exact = [at for at, column in enumerate(head) if column == chosen]
    alike = [at for at, key in enumerate(keys) if key == keys[place]]
    if len(exact) != 1 and len(alike) > 1:
        raise DataError(f"one column {head[place]!r} in {file}", f"{len(alike)} of them", "rename the others")
    return exact[0] if exact else place
