"""Pairs in a Parquet file: images as bytes, as file names, or as {"bytes", "path"}; a listing reads no image.

A file of kilobytes can hold one value that millions of rows share. So columns stay dictionaries, which keep such a
value once, what a row group's footer promises is held against the limits, and values become Python's one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

from retclip.data.file_bytes import Part, image_bytes
from retclip.data.readers.text.pairs import BadPair, Pair, named_pair, places_of, texts_of, tried
from retclip.errors import ConfigError, DataError
from retclip.limits import check_size, current

NAMES = ("string", "large_string", "string_view", "null")  # pyarrow's types of columns
BYTES = ("binary", "large_binary", "binary_view", "fixed_size_binary")
BATCH = 1024  # rows of a Parquet file at once
PLACE = 8  # bytes that a value takes at least
READING = Lock()  # of a Parquet file's images


def parquet_pairs(file: Path, image: str, text: str) -> Iterator[Pair | BadPair]:
    """Yield the pairs of a Parquet file, as `read_pairs` does."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        todo = "pip install 'retclip[image-text]'"
        raise ConfigError("pyarrow, which reads Parquet", "it is not installed", todo) from error
    try:
        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            image_at, text_at = (names[place] for place in places_of(file, names, image, text))
            _check_texts(table, text_at, file)
            number = 0
            for group in range(table.num_row_groups):
                names_at = _name_columns(table, group, image_at, file)
                is_inside = _holds_every_image(table, group, image_at)
                for place, (name, text_scalar) in enumerate(_cells(file, table, group, names_at, image_at, text_at)):
                    number += 1
                    read = partial(_cell, file, image_at, group, place, number)
                    part = Part(file, f"{image_at} of row {number}") if is_inside else None
                    pair = partial(_row, file, name, text_scalar, number, read, part)
                    yield tried(f"row {number} of {file}", pair)
    except (OSError, ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"a readable Parquet file: {file}", str(error), "write it again") from error


def _check_texts(table: Any, column: str, file: Path) -> None:
    """Check that a column holds plain values or lists of them. Raises DataError."""
    from pyarrow import types

    kind = table.schema_arrow.field(column).type
    inner = kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind
    if types.is_nested(inner):
        raise DataError(f"texts as {column} in {file}", str(kind)[:80], "name another column as text_column")


def _cells(
    file: Path, table: Any, group: int, names_at: list[str], image_at: str, text_at: str
) -> Iterator[tuple[Any, Any]]:
    """Yield each row's image name, None where none is listed, and the scalar of its text."""
    from pyarrow import parquet

    leaves = _leaves(table, group, {*names_at, text_at})
    _check_group(file, table, group, leaves)
    with parquet.ParquetFile(file, read_dictionary=_of_bytes(table, leaves)) as lean:
        for batch in lean.iter_batches(BATCH, row_groups=[group], columns=[*names_at, text_at]):
            texts = batch.column(text_at)
            names = batch.column(image_at) if names_at else [None] * len(texts)
            for name, text_scalar in zip(names, texts, strict=True):
                yield None if name is None else name.as_py(), text_scalar


def _leaves(table: Any, group: int, columns: Set[str]) -> list[int]:
    """Return the places of the leaf columns below `columns`: a list of texts is one below its name."""
    row_group = table.metadata.row_group(group)
    paths = [row_group.column(place).path_in_schema for place in range(row_group.num_columns)]
    return [
        place
        for place, path in enumerate(paths)
        if any(path == column or path.startswith(f"{column}.") for column in columns)
    ]


def _of_bytes(table: Any, places: Sequence[int]) -> list[str]:
    """Return the paths of the columns at `places` that Arrow can keep as dictionaries."""
    columns = [table.schema.column(place) for place in places]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _check_group(file: Path, table: Any, group: int, places: Sequence[int]) -> None:
    """Check what columns of a row group unpack to. Raises DataError."""
    row_group = table.metadata.row_group(group)
    for place in places:
        column, kind = row_group.column(place), table.schema.column(place)
        each = kind.length if kind.physical_type == "FIXED_LEN_BYTE_ARRAY" else PLACE
        size = max(column.total_uncompressed_size, column.num_values * max(each, PLACE))
        where = f"{column.path_in_schema} in row group {group} of {file}"
        check_size(size, current().unpacked_bytes, where, "limits.unpacked_mib")


def _name_columns(table: Any, group: int, image: str, file: Path) -> list[str]:
    """Return the columns that hold the file names of a row group's images, never their bytes.

    The image column holds names, bytes, or {"bytes", "path"}, as Hugging Face writes them.
    """
    kind = table.schema_arrow.types[table.schema_arrow.names.index(image)]
    value_type = str(kind.value_type if hasattr(kind, "index_type") else kind).partition("[")[
        0
    ]  # a dictionary has an index
    fields = (
        {value_field.name: str(value_field.type) for value_field in kind} if value_type.startswith("struct<") else {}
    )
    path = [f"{image}.path"] if "path" in fields else []
    if "bytes" in fields:
        return path if fields["bytes"] == "null" or _all_null(table, group, f"{image}.bytes") else []
    if path or value_type in BYTES:
        return path
    if value_type in NAMES:
        return [image]
    raise DataError(f"file names or bytes as {image} in {file}", str(kind)[:80], "name another column as image_column")


def _all_null(table: Any, group: int, leaf: str) -> bool:
    """Return whether a row group has no value of a column, by its statistics."""
    return _nulls(table, group, leaf) == int(table.metadata.row_group(group).num_rows)


def _holds_every_image(table: Any, group: int, image: str) -> bool:
    """Return whether no row of a group has its image in a file beside: none has a path, or all have bytes."""
    return not _leaves(table, group, {f"{image}.path"}) or _nulls(table, group, f"{image}.bytes") == 0


def _nulls(table: Any, group: int, leaf: str) -> int | None:
    """Return how many rows of a group have no value of a column, by its statistics; None where there are none."""
    row_group = table.metadata.row_group(group)
    columns = (row_group.column(place) for place in range(row_group.num_columns))
    counts = next((column.statistics for column in columns if column.path_in_schema == leaf), None)
    return int(counts.null_count) if counts is not None and counts.has_null_count else None


def _row(file: Path, image: Any, text_scalar: Any, number: int, read: Callable[[], bytes], part: Part | None) -> Pair:
    """Return the pair of a row. Raises DataError.

    image: a file name, also as {"path"}; None where it is not listed or null, for which `read` has the error.
    text_scalar: of its text.
    part: where `read` reads, if no file beside can be meant.
    """
    name = image.get("path") if isinstance(image, dict) else image
    text = _text(text_scalar, f"row {number} of {file}")
    if name is not None:
        return named_pair(file, name, text, number)
    texts = texts_of(text)
    if texts is None:
        raise DataError(f"a text in row {number} of {file}", f"{text!r}"[:80], "complete the row")
    return Pair(str(number), texts, f"{file}#{number}", read, f"row {number} of {file}", part)


def _text(text_scalar: Any, where: str) -> Any:
    """Return the value of a text's scalar, or the values of a list's; "" for null. Raises DataError where it is too
    long.
    """
    from pyarrow import LargeListScalar, ListScalar

    if not text_scalar.is_valid:
        return ""
    listed, values, size = isinstance(text_scalar, ListScalar | LargeListScalar), list[Any](), 0
    for scalar in text_scalar.values if listed else (text_scalar,):
        values.append(scalar.as_py())
        size += len(values[-1]) if isinstance(values[-1], str | bytes) else PLACE
        check_size(size, current().text_bytes, f"text in {where}", "limits.text_kib")
    return values if listed else values[0]


def _cell(file: Path, column: str, group: int, place: int, number: int) -> bytes:
    """Return the bytes of an image, read when they are needed: a listed pair must not keep its image."""
    from pyarrow import ArrowException

    try:
        stat = file.stat()
        with READING:  # else every thread that decodes ahead would read the same group for itself
            images = _row_group(file, column, group, (stat.st_mtime_ns, stat.st_size))
        cell = images[place].as_py()
        content, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
        content = _beside(file, name, number) if content is None and name is not None else content
        if not isinstance(content, bytes):
            raise IndexError("null" if content is None else f"{type(content).__name__} where an image was")
    except (ArrowException, IndexError, KeyError, OSError, UnicodeDecodeError) as error:
        todo = "complete or remove the row; do not change the file while it is read"
        raise DataError(f"the image in row {number} of {file}", f"{type(error).__name__}: {error}", todo) from error
    return content


def _beside(file: Path, name: Any, number: int) -> bytes:
    """Return the bytes of a file that a row names, where other rows of its group hold bytes."""
    try:
        return image_bytes(Path(named_pair(file, name, "", number).uri))
    except DataError as error:
        raise OSError(str(error)) from error


@lru_cache(maxsize=2)  # a walk is in one row group, and at its end already in the next; more would be kept for nothing
def _row_group(file: Path, column: str, group: int, changed: tuple[int, int]) -> Any:
    """Return a column of a row group, a pyarrow.ChunkedArray.

    changed: the file's time and size, so that another version of the file is read anew.
    """
    from pyarrow import parquet

    del changed
    with parquet.ParquetFile(file) as table:
        paths = [table.schema.column(place).path for place in _leaves(table, group, {column})]
        # of {"bytes", "path"} nothing else that may lie beside the two
        columns = [path for path in paths if path in (column, f"{column}.bytes", f"{column}.path")]
        leaves = _leaves(table, group, set(columns))
        _check_group(file, table, group, leaves)
        dictionaries = _of_bytes(table, leaves)
    with parquet.ParquetFile(file, read_dictionary=dictionaries) as lean:
        return lean.read_row_group(group, columns=columns).column(0)
