"""Whether a class that is added counts: asked on a terminal, said elsewhere, where nobody has told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from retclip.cli import output

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.workflows.classes.addition import Addition

ANSWERS = {"": True, "thing": True, "t": True, "stuff": False, "s": False}


def kind_of(memory: RetCLIP, addition: Addition, stdin_is_list: bool) -> bool | None:
    """Return whether the class is countable, by the user's answer.

    None where store or sources state it, and where nobody can be asked: a message says how it will count then.

    stdin_is_list: stdin brings photos, no answers.
    """
    stored = (
        store_class.is_thing
        for store_class in memory.classes
        if addition.is_called(store_class.name, *store_class.aliases)
    )
    if addition.kind is not None or any(is_thing is not None for is_thing in stored):
        return None
    if not stdin_is_list and sys.stdin.isatty() and sys.stderr.isatty():
        return _asked(addition.name)
    output.message(
        f"note: nobody says whether {addition.name!r} is a thing (countable, as a car) or stuff (not, as sky);"
    )
    output.message("      it will count as a thing. Say it with --thing or --stuff; later: retclip undo, and add again")
    return None


def _asked(name: str) -> bool | None:
    """Until there is an answer; None where stdin ends."""
    while True:
        output.message(f"is {name!r} a thing (countable, as a car) or stuff (not, as sky)? thing, stuff; Enter: thing")
        line = sys.stdin.readline()
        if not line:
            return None
        answer = line.strip().lower()
        if answer in ANSWERS:
            return ANSWERS[answer]
