"""Whether a file is the one that it was: what a file system says of it without reading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stamp:
    """What a file system says of a file's content without reading it: if none of it changed, the content did not.

    changed_ns: of the inode, which no program can set back; on Windows the time of creation.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def stamp_of(path: Path) -> Stamp | None:
    """Return a file's stamp; None where there is none, or none that can be asked."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
