"""An image with the texts that a file of pairs gives it, and the records that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retclip.data.file_bytes import Part
from retclip.data.photo_files import inside_name, spelled
from retclip.data.readers.text.table_columns import column_place
from retclip.errors import DataError
from retclip.escaping import brief

IMAGE = ("image", "file", "file_name", "filename", "image_name", "image_path", "path")
TEXT = ("caption", "captions", "text", "title", "comment", "tags", "labels")


@dataclass(frozen=True)
class Pair:
    """An image with its texts.

    key: unique in its file, except in tables that name an image once for each of its texts.
    texts: as the file writes them.
    uri: an image file where `read` is None, else the place that `read` reads.
    where: the record, for errors.
    part: where `read` reads, if that is in one file alone.
    """

    key: str
    texts: tuple[str, ...]
    uri: str
    read: Callable[[], bytes] | None
    where: str
    part: Part | None = None


@dataclass(frozen=True)
class BadPair:
    """An unusable record: its place and its error."""

    where: str
    error: DataError


def tried(where: str, work: Callable[[], Pair]) -> Pair | BadPair:
    """Return the pair that `work` makes of the record `where`, or its error."""
    try:
        return work()
    except DataError as error:
        return BadPair(where, error)


def named_pair(file: Path, image: Any, text: Any, number: int) -> Pair:
    """Return the pair whose image is a file beside the table, in row `number`. Raises DataError."""
    where = f"row {number} of {file}"
    texts = texts_of(text)
    if not isinstance(image, str) or not image.strip() or texts is None:
        raise DataError(f"an image file and a text in {where}", f"{brief(image)}, {brief(text)}", "complete the row")
    if "://" in image:
        raise DataError(f"a local image file in {where}", image[:80], "download the images first")
    name = inside_name(image, where)
    return Pair(name, texts, str(spelled(file.parent, name)), None, where)


def texts_of(text: Any) -> tuple[str, ...] | None:
    """Return a text, or the texts of a list without its nulls; None for any other value."""
    several = [value for value in text if value is not None] if isinstance(text, list) else [text]
    return tuple(several) if all(isinstance(value, str) for value in several) else None


def places_of(file: Path, head: Sequence[str], image: str, text: str) -> tuple[int, int]:
    """Return the places of the image column and the text column in a table's head."""
    image_at = column_place(head, image, IMAGE, file, "image_column")
    return image_at, column_place(head, text, TEXT, file, "text_column")
