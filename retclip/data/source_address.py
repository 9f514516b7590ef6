"""Addresses of image sources: `reader:path?split=NAME&key=value`, the same in every command.

A path alone is a folder, file or glob of photos. A key that comes twice is a list: `exclude=sky&exclude=tree`.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from retclip.errors import DataError

READER = re.compile(r"^([a-z][a-z0-9_.-]+):(.*)$", re.DOTALL)  # two letters at least
FOLDER = "folder"


def parse_address(address: str) -> tuple[str, dict[str, str | tuple[str, ...]]]:
    """(reader name, its settings as text). Raises DataError."""
    found = READER.match(address)
    reader, rest = (found[1], found[2]) if found else (FOLDER, address)
    path, mark, query = rest.partition("?") if found else (rest, "", "")  # a glob may hold a question mark
    if not path:
        raise DataError("reader:path?split=NAME, or a path", repr(address), "name a path")
    settings: dict[str, str | tuple[str, ...]] = {"path": path}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark and query))
    except ValueError as error:
        raise DataError("settings as key=value&key=value", repr(query), "write e.g. ?split=train") from error
    for key, value in pairs:
        earlier = settings.get(key)
        if earlier is None:
            settings[key] = value
        else:
            settings[key] = (*((earlier,) if isinstance(earlier, str) else earlier), value)
    return reader, settings
