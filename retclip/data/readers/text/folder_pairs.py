"""Pairs as files of a folder: a photo and a text of its name beside it, x.jpg and x.txt, in folders below, too."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from retclip.data.images import SUFFIXES
from retclip.data.photo_files import composed
from retclip.data.readers.text.pairs import BadPair, Pair, tried
from retclip.documents import check_file, encoding_of, lines_of
from retclip.errors import DataError
from retclip.limits import check_size, current

TEXT = ".txt"


def holds_pairs(folder: Path) -> bool:
    """Whether a photo of a folder, or of those below, has a text of its name beside it."""
    return any(photos and texts for photos, texts in _by_stem(folder).values())


def folder_pairs(folder: Path) -> Iterator[Pair | BadPair]:
    """The pairs of a folder by name, each line of a text being one of the photo's texts. A photo without a text, a text
    without a photo, and what shares its name cost themselves."""
    for photos, texts in _by_stem(folder).values():
        for one in photos or texts:
            where = f"{one.relative_to(folder)} of {folder}"
            yield tried(where, partial(_pair, folder, photos, texts, where))


def _by_stem(folder: Path) -> dict[Path, tuple[list[Path], list[Path]]]:
    """The photos and texts of a folder by their places without their endings."""
    found: dict[Path, tuple[list[Path], list[Path]]] = {}
    for file in sorted(folder.rglob("[!.]*")):
        kind = file.suffix.lower()
        if kind == TEXT or kind in SUFFIXES:
            both = found.setdefault(file.with_name(composed(file.stem)), ([], []))
            both[kind == TEXT].append(file)
    return found


def _pair(folder: Path, photos: list[Path], texts: list[Path], where: str) -> Pair:
    """Raises DataError where there is not one of each."""
    if len(photos) != 1 or len(texts) != 1:
        got = ", ".join(file.name for file in (*photos, *texts))
        raise DataError(f"one photo and one {TEXT} of its name: {where}", got, "add, rename or remove one")
    photo = photos[0]
    content = _content(texts[0], where)
    lines = tuple(line for line in lines_of(content) if line.strip())
    return Pair(photo.relative_to(folder).as_posix(), lines, str(photo), None, where)


def _content(file: Path, where: str) -> str:
    try:
        check_file(file)
        check_size(file.stat().st_size, current().text_bytes, f"text of {where}", "limits.text_kib")
        found = file.read_bytes()
        return found.decode(encoding_of(found))
    except (OSError, ValueError) as error:
        raise DataError(f"a text in UTF-8: {file}", str(error), "check the path; save it as UTF-8") from error
