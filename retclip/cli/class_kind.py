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
    if addition.kind is not None or _stored_kinds(memory, addition):
        return None
    if not stdin_is_list and sys.stdin.isatty() and sys.stderr.isatty():
        return _asked(addition.name)
    output.message(
        f"note: nobody says whether {addition.name!r} is a thing (countable, as a car) or stuff (not, as sky);"
    )
    output.message("      it will count as a thing. Say it with --thing or --stuff; later: retclip undo, and add again")
    return None


def tell_other_kind(memory: RetCLIP, addition: Addition) -> None:
    """Say that the class stays what it is in the store, where flag or sources call it otherwise."""
    kind = addition.kind
    if kind is not None and (not kind) in _stored_kinds(memory, addition):
        stays = "stuff" if kind else "a thing"
        output.message(f"note: the store knows {addition.name!r} as {stays}, and so it stays")


def _stored_kinds(memory: RetCLIP, addition: Addition) -> set[bool]:
    """Return whether the store's class of that name is countable, nothing where it does not know."""
    called = (one for one in memory.classes if addition.is_called(one.name, *one.aliases))
    return {one.is_thing for one in called if one.is_thing is not None}


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
