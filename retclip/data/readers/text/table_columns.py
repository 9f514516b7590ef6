"""Which column of a table holds what: by the name that was given, or by one that is usual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retclip.errors import DataError
from retclip.names import name_key


def column_place(head: Sequence[str], named: str, usual: Sequence[str], file: Path, settings: str) -> int:
    """The place of the column `named` in a head, or of the first usual one where no name was given; the spelling of
    capitals and spaces does not count, but where it tells columns apart. settings: those that name the columns, told in
    the DataError it raises where there is none. Raises DataError, too, where nobody knows which of several it is."""
    keys = [name_key(one) for one in head]
    wanted = (named,) if named else usual
    place = next((keys.index(name_key(one)) for one in wanted if name_key(one) in keys), None)
    if place is None:
        expected = f"a column {named!r}" if named else f"one of the columns {', '.join(usual)}"
        got = ", ".join(head)[:80] or "no columns"
        raise DataError(f"{expected} in {file}", got, f"name the columns, or set {settings}")
    exact = [at for at, one in enumerate(head) if one == named]
    alike = [at for at, key in enumerate(keys) if key == keys[place]]
    if len(exact) != 1 and len(alike) > 1:
        raise DataError(f"one column {head[place]!r} in {file}", f"{len(alike)} of them", "rename the others")
    return exact[0] if exact else place
