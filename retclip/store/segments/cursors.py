"""Cursors: where a page of a list ended, as a text that only the same question understands.

A cursor holds the place of the last entry, never a number of entries to pass over: what is stored or removed before it
moves no later page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from retclip.errors import ConfigError
from retclip.store.ids import digest

DIGITS = 16  # of the question's digest


def cursor_after(question: Sequence[str], place: Sequence[float | int]) -> str:
    """Make the cursor of the page after a place.

    question: what was asked, in words.
    place: the sort key of the last entry of the page before, finite numbers.
    """
    text = json.dumps([digest(*question)[:DIGITS], *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def place_of(cursor: str, question: Sequence[str], length: int) -> tuple[float | int, ...]:
    """Read the place out of a cursor of the same question.

    length: of the place.
    Raises ConfigError for any other text, and for the cursor of another question.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        asked, *place = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, TypeError, RecursionError) as error:
        raise _refused(f"{cursor!r}, which is none") from error
    whole = len(place) == length and all(isinstance(part, int | float) and abs(part) < 2**63 for part in place)
    if not whole or asked != digest(*question)[:DIGITS]:
        raise _refused("the cursor of another question, or of other filters")
    return tuple(place)


def _refused(got: str) -> ConfigError:
    todo = "pass `next` of the page before with the same question and filters, or no cursor for the first page"
    return ConfigError("a cursor of this question", got, todo)
