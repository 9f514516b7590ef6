"""Pairs in a Parquet file: images as bytes, as file names, or as {"bytes", "path"}; a listing reads no image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

from retclip.data.pairs import BadPair, Pair, named_pair, places_of, texts_of, tried
from retclip.errors import ConfigError, DataError

NAMES = ("string", "large_string", "string_view", "null")  # pyarrow's types of columns
BYTES = ("binary", "large_binary", "binary_view", "fixed_size_binary")
BATCH = 1024  # rows of a Parquet file at once
READING = Lock()  # of a Parquet file's images


def parquet_pairs(file: Path, image: str, text: str) -> Iterator[Pair | BadPair]:
    """As `read_pairs`."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        todo = "pip install 'retclip[image-text]'"
        raise ConfigError("pyarrow, which reads Parquet", "it is not installed", todo) from error
    try:
        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            image_at, text_at = (names[place] for place in places_of(file, names, image, text))
            number = 0
            for group in range(table.num_row_groups):
                columns = [*_name_columns(table, group, image_at, file), text_at]
                batches = table.iter_batches(BATCH, row_groups=[group], columns=columns)
                for place, row in enumerate(one for batch in batches for one in batch.to_pylist()):
                    number += 1
                    read = partial(_cell, file, image_at, group, place, number)
                    pair = partial(_row, file, row.get(image_at), row[text_at], number, read)
                    yield tried(f"row {number} of {file}", pair)
    except (OSError, ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"a readable Parquet file: {file}", str(error), "write it again") from error


def _name_columns(table: Any, group: int, image: str, file: Path) -> list[str]:
    """What a listing reads of a row group's images: their file names, but never their bytes. The column is of names,
    of bytes, or of {"bytes", "path"}, as Hugging Face writes them."""
    kind = table.schema_arrow.types[table.schema_arrow.names.index(image)]
    told = str(kind.value_type if hasattr(kind, "index_type") else kind).partition("[")[0]  # a dictionary has an index
    fields = {one.name: str(one.type) for one in kind} if told.startswith("struct<") else {}
    path = [f"{image}.path"] if "path" in fields else []
    if "bytes" in fields:
        return path if fields["bytes"] == "null" or _all_null(table, group, f"{image}.bytes") else []
    if path or told in BYTES:
        return path
    if told in NAMES:
        return [image]
    raise DataError(f"file names or bytes as {image} in {file}", str(kind)[:80], "name another column as image_column")


def _all_null(table: Any, group: int, leaf: str) -> bool:
    """Whether a row group has no value of a column, as its statistics say."""
    told = table.metadata.row_group(group)
    columns = (told.column(place) for place in range(told.num_columns))
    counts = next((one.statistics for one in columns if one.path_in_schema == leaf), None)
    return counts is not None and counts.has_null_count and counts.null_count == told.num_rows


def _row(file: Path, image: Any, text: Any, number: int, read: Callable[[], bytes]) -> Pair:
    """image: a file name, also as {"path"}, or None where it was not listed, or is null: `read` will tell."""
    name = image.get("path") if isinstance(image, dict) else image
    text = "" if text is None else text
    if name is not None:
        return named_pair(file, name, text, number)
    texts = texts_of(text)
    if texts is None:
        raise DataError(f"a text in row {number} of {file}", f"{text!r}"[:80], "complete the row")
    return Pair(str(number), texts, f"{file}#{number}", read, f"row {number} of {file}")


def _cell(file: Path, column: str, group: int, place: int, number: int) -> bytes:
    """The bytes of an image in a Parquet file, read when it is needed: a listed pair must not keep its image."""
    from pyarrow import ArrowException

    try:
        stat = file.stat()
        with READING:  # else every thread that decodes ahead would read the same group for itself
            images = _row_group(file, column, group, (stat.st_mtime_ns, stat.st_size))
        found = images[place].as_py()
        content, name = (found.get("bytes"), found.get("path")) if isinstance(found, dict) else (found, None)
        content = _beside(file, name, number) if content is None and name is not None else content
        if not isinstance(content, bytes):
            raise IndexError("null" if content is None else f"{type(content).__name__} where an image was")
    except (ArrowException, IndexError, KeyError, OSError, UnicodeDecodeError) as error:
        todo = "complete or remove the row; do not change the file while it is read"
        raise DataError(f"the image in row {number} of {file}", f"{type(error).__name__}: {error}", todo) from error
    return content


def _beside(file: Path, name: Any, number: int) -> bytes:
    """The bytes of a file that a row names, where other rows of its group hold bytes themselves."""
    path = Path(named_pair(file, name, "", number).uri)
    if not path.is_file():  # to read a pipe would wait for ever
        raise FileNotFoundError(f"no file {path}")
    return path.read_bytes()


@lru_cache(maxsize=2)  # a walk is in one row group, and at its end already in the next; more would be kept for nothing
def _row_group(file: Path, column: str, group: int, changed: tuple[int, int]) -> Any:
    """A column of a row group, a pyarrow.ChunkedArray. changed: the file's time and size, so that what another version
    of the file held is never given."""
    from pyarrow import parquet

    del changed
    with parquet.ParquetFile(file) as table:
        return table.read_row_group(group, columns=[column]).column(0)
