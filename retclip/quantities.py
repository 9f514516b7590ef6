"""A number of things in words, for messages and pages."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice


def quantity(number: int, noun: str) -> str:
    """Return number and noun: "1 segment", "0 segments". noun: in the singular, with a plural in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def some(texts: Collection[str], most: int) -> str:
    """Return the first `most` of several texts, and the number of the others: "a, b and 3 more"."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(islice(texts, most)) + more
