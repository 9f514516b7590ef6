"""Which column of a table holds what: by the name that was given, or by one that is usual."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from retclip.errors import DataError
from retclip.names import name_key
from retclip.passed_over import Tally
from retclip.quantities import some

SHOWN, LONGEST = 3, 40  # titles in a message, and the characters of each: a table of attributes has dozens
SEPARATORS = re.compile(r"[\s_.-]")  # of the words of a title


def title_key(title: str) -> str:
    """Return the key of a column's title: "Class ID", "class_id" and "ClassId" are one.

    >>> title_key("Class ID"), title_key("class_id")
    ('classid', 'classid')
    """
    return SEPARATORS.sub("", name_key(title))


def count_unread(head: Sequence[str], read: Collection[int | None], tally: Tally) -> None:
    """Count the columns that are not read: what a table says there has no effect, and its author may think it has.

    read: places of the others.
    """
    unread = [title.strip()[:LONGEST] for at, title in enumerate(head) if at not in read and title.strip()]
    tally.skip(f"columns that are not read ({some(unread, SHOWN)})", len(unread))


def column_place(head: Sequence[str], chosen: str, usual: Sequence[str], file: Path, settings: str) -> int:
    """Return the place of a column in a head.

    Capitals, spaces and underscores do not count, except where they tell columns apart.

    chosen: its name; "" = the first usual one.
    usual: names of such a column.
    settings: the settings that name the column, for the error.

    Raises DataError where the head has no such column, or several.
    """
    keys = [title_key(column) for column in head]
    names = (chosen,) if chosen else usual
    place = next((keys.index(title_key(name)) for name in names if title_key(name) in keys), None)
    if place is None:
        expected = f"a column {chosen!r}" if chosen else f"one of the columns {', '.join(usual)}"
        got = ", ".join(head)[:80] or "no columns"
        raise DataError(f"{expected} in {file}", got, f"name the columns, or set {settings}")
    exact = [at for at, column in enumerate(head) if column == chosen] if chosen else []
    alike = [at for at, key in enumerate(keys) if key == keys[place]]
    if len(exact) != 1 and len(alike) > 1:
        raise DataError(f"one column {head[place]!r} in {file}", f"{len(alike)} of them", "rename the others")
    return exact[0] if exact else place
