"""Values of another kind than was expected, refused in words: what a person passes from Python is no traceback."""

from __future__ import annotations

from typing import Any, TypeVar

from retclip.errors import ConfigError
from retclip.escaping import brief

Kind = TypeVar("Kind")


def checked_kind(value: Any, kind: type[Kind], expected: str, todo: str) -> Kind:
    """Return a value of a kind. Raises ConfigError for any other; True and False are no numbers.

    expected, todo: what the error says.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(expected, brief(value), todo)
    return value


def checked_filter(chosen: Any, kind: type[Kind]) -> Kind:
    """Return a filter; None is one without a condition. Raises ConfigError for anything else."""
    example = f"write e.g. {kind.__name__}(classes=('car',)), or leave it out"
    return kind() if chosen is None else checked_kind(chosen, kind, f"a {kind.__name__} as the filter", example)


def checked_limit(limit: Any) -> int:
    """Return a limit of at least 1. Raises ConfigError."""
    if checked_kind(limit, int, "a whole number as the limit", "write e.g. 20") < 1:
        raise ConfigError("a limit of at least 1", f"{limit}", "write e.g. 20")
    return int(limit)
