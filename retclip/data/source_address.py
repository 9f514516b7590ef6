"""Addresses of image sources: `reader:path?split=NAME&key=value`, the same in every command.

A path alone is a folder, file or glob of photos. A key that comes twice is a list: `exclude=sky&exclude=tree`. The path
may stand among the keys, where it may be several: `folder:?path=a.jpg&path=b.jpg`, special characters as %XX.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from retclip.errors import DataError

READER = re.compile(r"^([a-z][a-z0-9_.-]+):(.*)$", re.DOTALL)  # two letters at least
FOLDER = "folder"


def reader_of(address: str) -> str:
    """Return the name of the reader, also of a shown address (`shown_address`)."""
    match = READER.match(address)
    return match[1] if match else FOLDER


def parse_address(address: str) -> tuple[str, dict[str, str | tuple[str, ...]]]:
    """Return (reader name, its settings as text). Raises DataError."""
    match, reader = READER.match(address), reader_of(address)
    remainder = match[2] if match else address
    path, mark, query = remainder.partition("?") if match else (remainder, "", "")  # a glob may hold a question mark
    settings: dict[str, str | tuple[str, ...]] = {"path": path} if path else {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark and query), errors="surrogateescape")
    except ValueError as error:
        raise DataError("settings as key=value&key=value", repr(query), "write e.g. ?split=train") from error
    for key, value in pairs:
        earlier = settings.get(key)
        if earlier is None:
            settings[key] = value
        else:
            settings[key] = (*((earlier,) if isinstance(earlier, str) else earlier), value)
    paths = settings.get("path", "")
    if "" in ((paths,) if isinstance(paths, str) else paths):
        raise DataError("reader:path?split=NAME, or a path", repr(address), "name a path")
    return reader, settings


def absolute_address(address: str) -> str:
    """Return the address with absolute paths, valid from any folder.

    A value that is no path of this machine (a file of an installed package, an address without a path) stays as it is.
    """
    try:
        reader, settings = parse_address(address)
    except DataError:
        return address
    if is_plain(address):
        return str(Path(address).absolute())
    pairs = [
        (key, _absolute(value, key == "path"))
        for key, several in settings.items()
        for value in ((several,) if isinstance(several, str) else several)
    ]
    several_paths = not isinstance(settings["path"], str)
    query = urlencode(pairs if several_paths else pairs[1:], errors="surrogateescape", safe="/:,")
    return f"{reader}:{'' if several_paths else pairs[0][1]}{'?' if query else ''}{query}"


def _absolute(value: str, is_path: bool) -> str:
    """Return the other keys' values; those that name an existing file become absolute."""
    relative = not Path(value).is_absolute() and not value.startswith("package:")
    return str(Path(value).absolute()) if relative and (is_path or Path(value).is_file()) else value


def is_plain(address: str) -> bool:
    """Return whether an address is a path alone: photos without labels."""
    return READER.match(address) is None


def joined_address(reader: str, paths: Sequence[str], **more: str) -> str:
    """Return one address of several paths and the reader's other settings."""
    return f"{reader}:?{urlencode([*(('path', path) for path in paths), *more.items()], errors='surrogateescape')}"


def shown_address(address: str) -> str:
    """Return an address as it is shown and recorded: of many paths the first, and their number."""
    reader, settings = parse_address(address)
    path = settings["path"]
    if isinstance(path, str):
        return address
    query = "&".join(f"{key}={value}" for key, value in settings.items() if key != "path")
    return f"{reader}:{path[0]} and {len(path) - 1} more{'?' if query else ''}{query}"
