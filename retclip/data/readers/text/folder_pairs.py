"""Pairs as files of a folder: a photo and a text of its name beside it, x.jpg and x.txt, in folders below, too."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from retclip.data.images import SUFFIXES
from retclip.data.photo_files import composed
from retclip.data.readers.text.pairs import BadPair, Pair, tried
from retclip.documents import lines_of, read_text
from retclip.errors import DataError
from retclip.limits import current

TEXT = ".txt"


def holds_pairs(folder: Path) -> bool:
    """Return whether a photo of a folder, or of those below, has a text of its name beside it."""
    return any(photos and texts for photos, texts in _by_stem(folder).values())


def folder_pairs(folder: Path) -> Iterator[Pair | BadPair]:
    """Yield the pairs of a folder by name; each line of a text file is one text of the photo.

    A photo without a text, a text without a photo, and several of one name cost themselves.
    """
    for photos, texts in _by_stem(folder).values():
        for file in photos or texts:
            where = f"{file.relative_to(folder)} of {folder}"
            yield tried(where, partial(_pair, folder, photos, texts, where))


def _by_stem(folder: Path) -> dict[Path, tuple[list[Path], list[Path]]]:
    """Return the photos and the texts of a folder by their paths without endings."""
    by_stem: dict[Path, tuple[list[Path], list[Path]]] = {}
    for file in sorted(folder.rglob("[!.]*")):
        kind = file.suffix.lower()
        if kind == TEXT or kind in SUFFIXES:
            both = by_stem.setdefault(file.with_name(composed(file.stem)), ([], []))
            both[kind == TEXT].append(file)
    return by_stem


def _pair(folder: Path, photos: list[Path], texts: list[Path], where: str) -> Pair:
    """Return the pair of one photo and one text. Raises DataError where there is not one of each."""
    if len(photos) != 1 or len(texts) != 1:
        got = ", ".join(file.name for file in (*photos, *texts))
        raise DataError(f"one photo and one {TEXT} of its name: {where}", got, "add, rename or remove one")
    photo = photos[0]
    content = read_text(texts[0], f"text of {where}", current().text_bytes, "limits.text_kib")
    lines = tuple(line for line in lines_of(content) if line.strip())
    return Pair(photo.relative_to(folder).as_posix(), lines, str(photo), None, where)
