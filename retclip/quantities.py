"""A number of things in words, for messages and pages."""

from __future__ import annotations


def quantity(number: int, noun: str) -> str:
    """Return number and noun: "1 segment", "0 segments". noun: in the singular, with a plural in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
