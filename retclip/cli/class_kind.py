"""Whether a class that is added counts: asked on a terminal, said elsewhere, where nobody has told."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from retclip.cli import output
from retclip.names import name_key

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.contracts import ImageSource

ANSWERS = {"": True, "thing": True, "t": True, "stuff": False, "s": False}


def kind_of(memory: RetCLIP, name: str, sources: Sequence[ImageSource], stdin_is_list: bool) -> bool | None:
    """Return whether the class is countable, by the user's answer.

    None where store or sources state it, and where nobody can be asked: a message says how it will count then.

    stdin_is_list: stdin brings photos, no answers.
    """
    key = name_key(name)
    kinds = [
        store_class.is_thing
        for store_class in memory.classes
        if key in map(name_key, (store_class.name, *store_class.aliases))
    ]
    kinds += [
        source_class.is_thing
        for source in sources
        for source_class in source.classes()
        if name_key(source_class.name) == key
    ]
    if any(kind is not None for kind in kinds):
        return None
    if not stdin_is_list and sys.stdin.isatty() and sys.stderr.isatty():
        return _asked(name)
    output.message(f"note: nobody says whether {name!r} is a thing (countable, as a car) or stuff (not, as sky);")
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
