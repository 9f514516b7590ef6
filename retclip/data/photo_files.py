"""Which files are a data set's photos: those of a folder, and those that its records name.

Names in records are taken as people and programs write them: with the backslashes of Windows, with letters composed or
not (NFC as Linux and Windows write é, NFD as macOS does). They must not lead out of the data set's folder. Symbolic
links are followed, wherever they lead: data sets are shared that way (subsets, download caches, git-annex), whoever can
place a link can place a copy, and what lies behind it is only ever decoded as a photo.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath

from retclip.data.images import SUFFIXES
from retclip.errors import DataError
from retclip.passed_over import PassedOver, Tally

FOLDERS = "folders below, which recursive=true reads"
UNREAD = "folders below, which are not read"


def photos_in(folder: Path, recursive: bool = False, folders: str = FOLDERS) -> tuple[list[Path], PassedOver]:
    """The files of a folder that end like a photo, by name, and what else lies there, by its ending.

    recursive: those of the folders below, too.
    folders: how these are called where they are counted instead.

    Hidden files count as nothing. Raises OSError where the folder cannot be read.
    """
    photos, other = list[Path](), Tally()
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in SUFFIXES:
            photos.append(path)
        elif not path.is_dir():
            other.skip(not_a_photo(path))
        elif not recursive:
            other.skip(folders)
    return photos, other.total


def not_a_photo(path: Path) -> str:
    """The reason why a file is passed over."""
    return f"files that are not read ({path.suffix.lower() or 'no ending'})"


def slashed(name: str) -> str:
    """A file's name as a record gives it, with slashes."""
    return PurePosixPath(name.strip().replace("\\", "/")).as_posix()


def inside_name(name: str, where: str) -> str:
    """As `slashed`. Raises DataError for a name that leads out of the data set's folder. where: the record."""
    path = PurePosixPath(slashed(name))
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise DataError(f"a file name inside the data set in {where}", repr(name), "use a relative name")
    return path.as_posix()


def composed(name: str) -> str:
    """A name as it is compared with others: letters in Unicode's composed form (NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class NamedPhotos:
    """The photos that records name. names: all of them, as `inside_name` gives them. stand_in: whether a photo may lie
    under its file name alone, without the folders of its name."""

    def __init__(self, folders: Iterable[Path], names: Iterable[str], stand_in: bool = False) -> None:
        self._folders, self._stand_in = tuple(folders), stand_in
        self._owned = {composed(name) for name in names}
        self._basenames = Counter(name.rpartition("/")[2] for name in self._owned)

    def path(self, name: str) -> Path:
        """Where a photo lies: under its name in one of the folders, else under its file name alone, where that is
        nobody else's. Where it is nowhere, the first place, so that reading it names what is missing."""
        found = self._found(name)
        base = composed(name).rpartition("/")[2]
        if found is None and self._stand_in and base not in self._owned and self._basenames[base] == 1:
            found = self._found(base)
        return found or self._folders[0] / name

    def _found(self, name: str) -> Path | None:
        for folder in self._folders:
            path = spelled(folder, name)
            if path.exists() or path.is_symlink():
                return path
        return None


def spelled(folder: Path, name: str) -> Path:
    """The path of a name below a folder, in the Unicode form in which its files are written."""
    path = folder / name
    if name.isascii() or path.exists():
        return path
    place = folder
    for part in PurePosixPath(name).parts:
        place = place / _spellings(place, _changed(place)).get(composed(part), part)
    return place


@lru_cache(maxsize=64)
def _spellings(folder: Path, changed: int) -> dict[str, str]:
    """composed name -> the name, of a folder's entries. changed: when it was, so that no old listing is used."""
    return {composed(entry.name): entry.name for entry in folder.iterdir()} if changed else {}


def _changed(folder: Path) -> int:
    return folder.stat().st_mtime_ns if folder.is_dir() else 0
