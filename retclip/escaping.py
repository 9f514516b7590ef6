"""Text of others (file names, class names, errors of libraries) made harmless where it is shown.

What moves a cursor, rings, colours, hides or turns the order of letters becomes visible, as Python spells it: \\x1b,
\\n, \\u202e. Letters of every script stay, with the joiners that Persian, Indic scripts and emoji are written with.
"""

from __future__ import annotations

import json
import logging
import math
import re
import reprlib
from collections.abc import Mapping
from typing import Any

HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters
    "\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"  # invisible, or they turn the order of letters
    "\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\u2028\u2029"  # line ends of Unicode
    "\ud800-\udfff]"  # bytes of a file name that are no UTF-8
)
_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother = 3, 80, 80


def one_line(text: Any, keep: str = "") -> str:
    """The text with everything harmful escaped. keep: control characters that stay, e.g. line ends on a page."""
    return HARMFUL.sub(lambda match: match[0] if match[0] in keep else repr(match[0])[1:-1], str(text))


def brief(value: Any) -> str:
    """Python's spelling of a value out of a file, in few characters, however large or deep it is."""
    return _BRIEF.repr(value)


def json_text(value: Any, indent: int | None = 2) -> str:
    """JSON that any parser reads back and terminals show: null for NaN and infinity, escapes for what is harmful."""
    text = json.dumps(_finite(value), indent=indent, default=str, ensure_ascii=False, allow_nan=False)
    return HARMFUL.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def spreadsheet_cell(text: str) -> str:
    """The text on one line, safe in a spreadsheet: no formula starts a cell; a quote stands before what would be
    one."""
    line = one_line(text)
    return f"'{line}" if line[:1] in ("=", "+", "-", "@") else line


class HarmlessFormatter(logging.Formatter):
    """Log records on one line each; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's own name)
        """Format a record as logging does, on one line."""
        return one_line(super().formatMessage(record))


def _finite(value: Any) -> Any:
    """The value with NaN and infinity as None, which JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
