"""Yes, no and whole numbers as files write them: JSON's own, and what spreadsheets and converters write instead."""

from __future__ import annotations

from typing import Any

from retclip.escaping import brief

YES = frozenset({"1", "true", "yes", "y", "t", "on", "+", "positive"})
NO = frozenset({"0", "false", "no", "n", "f", "off", "-", "negative"})


def as_flag(value: Any) -> bool:
    """Return whether a value says yes: `True`, 1, 1.0, "1", "true", "Yes" ... Raises ValueError for any other value."""
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    word = value.strip().casefold().removesuffix(".0") if isinstance(value, str) else ""
    if word in YES or word in NO:
        return word in YES
    raise ValueError(f"{brief(value)} is neither yes nor no")


def as_whole(value: Any) -> int:
    """Return a whole number: 7, 7.0 or "7".

    Raises ValueError for a fraction, yes and no, TypeError for a value that is no number, OverflowError for infinity.
    """
    number = int(value)
    if isinstance(value, bool) or (isinstance(value, float) and number != value):
        raise ValueError(f"{brief(value)} is no whole number")
    return number
