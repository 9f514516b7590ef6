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
    """Return the files of a folder that end like a photo, by name, and the count of the others by ending.

    Hidden files do not count.

    recursive: read the folders below, too.
    folders: the reason under which unread folders are counted.

    Raises OSError where the folder cannot be read.
    """
    photos, beside = list[Path](), Tally()
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in SUFFIXES:
            photos.append(path)
        elif not path.is_dir():
            beside.skip(not_a_photo(path))
        elif not recursive:
            beside.skip(folders)
    return photos, beside.total


def not_a_photo(path: Path) -> str:
    """Return the reason why a file is passed over."""
    return f"files that are not read ({path.suffix.lower() or 'no ending'})"


def slashed(name: str) -> str:
    """Return a file's name with slashes, as a record writes it."""
    return PurePosixPath(name.strip().replace("\\", "/")).as_posix()


def inside_name(name: str, where: str) -> str:
    """Return a file's name with slashes. Raises DataError for a name that leads out of the data set's folder.

    where: the record, for the error.
    """
    path = PurePosixPath(slashed(name))
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise DataError(f"a file name inside the data set in {where}", repr(name), "use a relative name")
    return path.as_posix()


def composed(name: str) -> str:
    """Return a name as it is compared with others: in Unicode's composed form (NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class NamedPhotos:
    """The photos that records name.

    names: every name, as `inside_name` returns it.
    stand_in: whether a photo may lie under its file name alone, without the folders of its name.
    """

    def __init__(self, folders: Iterable[Path], names: Iterable[str], stand_in: bool = False) -> None:
        self._folders, self._stand_in = tuple(folders), stand_in
        self._owned = {composed(name) for name in names}
        self._basenames = Counter(name.rpartition("/")[2] for name in self._owned)

    def path(self, name: str) -> Path:
        """Return a photo's path: its name below one of the folders, else its file name alone, where no other photo has
        it.

        A missing photo has the first place, for the error of its reader.
        """
        path = self._found(name)
        base = composed(name).rpartition("/")[2]
        if path is None and self._stand_in and base not in self._owned and self._basenames[base] == 1:
            path = self._found(base)
        return path or self._folders[0] / name

    def _found(self, name: str) -> Path | None:
        for folder in self._folders:
            path = spelled(folder, name)
            if path.exists() or path.is_symlink():
                return path
        return None


def spelled(folder: Path, name: str) -> Path:
    """Return the path of a name below a folder, in the Unicode form of the existing files."""
    path = folder / name
    if name.isascii() or path.exists():
        return path
    place = folder
    for part in PurePosixPath(name).parts:
        place = place / _spellings(place, _changed(place)).get(composed(part), part)
    return place


@lru_cache(maxsize=64)
def _spellings(folder: Path, changed: int) -> dict[str, str]:
    """Return the names of a folder's entries by their composed form.

    changed: the folder's time, so that a changed folder is listed anew.
    """
    return {composed(entry.name): entry.name for entry in folder.iterdir()} if changed else {}


def _changed(folder: Path) -> int:
    return folder.stat().st_mtime_ns if folder.is_dir() else 0
