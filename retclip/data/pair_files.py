"""Images with a text each, as files hold them: CSV, TSV, Parquet, and tar shards (WebDataset)."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

from retclip.data.coco_records import stay_inside
from retclip.data.images import SUFFIXES
from retclip.data.label_table import csv_rows
from retclip.data.table_columns import column_place
from retclip.errors import ConfigError, DataError

IMAGE = ("image", "file", "file_name", "filename", "image_path", "path")
TEXT = ("caption", "text", "title", "tags", "labels")
NAMES = ("string", "large_string", "string_view", "null")  # pyarrow's types of columns
BYTES = ("binary", "large_binary", "binary_view", "fixed_size_binary")
BATCH = 1024  # rows of a Parquet file at once
READING = Lock()  # of a Parquet file's images


@dataclass(frozen=True)
class Pair:
    """key: unique in its file. text: as it stands there. path: an image file, or "" where `read` returns its bytes.
    where: the record, for errors."""

    key: str
    text: str
    uri: str
    read: Callable[[], bytes] | None
    where: str


def read_pairs(file: Path, image: str = "", text: str = "") -> Iterator[Pair]:
    """The pairs of a file, streamed. image, text: its columns, or the member's key of a JSON in a tar, if not a usual
    one. Raises DataError with the record's number, ConfigError where a library is missing."""
    readers = {".csv": _table, ".tsv": _table, ".parquet": _parquet, ".tar": _tar}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise DataError("pairs in a .csv, .tsv, .parquet or .tar file", str(file), "convert them, or name another file")
    return reader(file, image, text)


def _table(file: Path, image: str, text: str) -> Iterator[Pair]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv_rows(lines, file.suffix.lower() == ".tsv", file)
            head = next(rows, [])
            image_at, text_at = _places(file, head, image, text)
            for number, row in enumerate(rows, start=2):
                if len(row) <= max(image_at, text_at):
                    if any(row):
                        raise DataError(f"{len(head)} cells in row {number} of {file}", f"{len(row)}", "complete it")
                    continue
                yield _named(file, row[image_at], row[text_at], number)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"a readable table: {file}", str(error), "save it as CSV in UTF-8") from error


def _named(file: Path, image: Any, text: Any, number: int) -> Pair:
    """A pair whose image is a file beside the table."""
    where = f"row {number} of {file}"
    if not isinstance(image, str) or not image.strip() or not isinstance(text, str):
        raise DataError(f"an image file and a text in {where}", f"{image!r}, {text!r}"[:80], "complete the row")
    if "://" in image:
        raise DataError(f"a local image file in {where}", image[:80], "download the images first")
    stay_inside(image.strip(), where)
    return Pair(image.strip(), text, str(file.parent / image.strip()), None, where)


def _parquet(file: Path, image: str, text: str) -> Iterator[Pair]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        todo = "pip install 'retclip[image-text]'"
        raise ConfigError("pyarrow, which reads Parquet", "it is not installed", todo) from error
    try:
        with parquet.ParquetFile(file) as table:
            names = table.schema_arrow.names
            image_at, text_at = (names[place] for place in _places(file, names, image, text))
            number = 0
            for group in range(table.num_row_groups):
                columns = [*_name_columns(table, group, image_at, file), text_at]
                batches = table.iter_batches(BATCH, row_groups=[group], columns=columns)
                for place, row in enumerate(one for batch in batches for one in batch.to_pylist()):
                    number += 1
                    read = partial(_cell, file, image_at, group, place, number)
                    yield _row(file, row.get(image_at), row[text_at], number, read)
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
        return _named(file, name, text, number)
    if not isinstance(text, str):
        raise DataError(f"a text in row {number} of {file}", f"{text!r}"[:80], "complete the row")
    return Pair(str(number), text, f"{file}#{number}", read, f"row {number} of {file}")


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
    path = Path(_named(file, name, "", number).uri)
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


def _tar(file: Path, image: str, text: str) -> Iterator[Pair]:
    """Members of one stem in a row are a pair: an image, and a .txt or a .json with the text."""
    del image
    try:
        with tarfile.open(file) as archive:
            stem = ""
            parts: dict[str, tarfile.TarInfo] = {}
            for member in archive:
                folder, _, base = member.name.rpartition("/")
                if not member.isfile() or base.startswith("."):  # macOS adds ._a.jpg beside a.jpg
                    continue
                key, _, kind = base.partition(".")
                key = f"{folder}/{key}".lstrip("/")
                if key != stem and parts:
                    yield _shard_pair(file, archive, stem, parts, text)
                    parts = {}
                stem = key
                parts[f".{kind.lower()}"] = member
            if parts:
                yield _shard_pair(file, archive, stem, parts, text)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise DataError(f"a readable tar file: {file}", str(error), "write the shard again") from error


def _shard_pair(file: Path, archive: tarfile.TarFile, stem: str, parts: dict[str, tarfile.TarInfo], text: str) -> Pair:
    where = f"sample {stem!r} of {file}"
    image = next((member for kind, member in parts.items() if kind in SUFFIXES), None)
    said = next((parts[kind] for kind in (".txt", ".json") if kind in parts), None)
    if image is None or said is None:
        raise DataError(f"an image and a .txt or .json in {where}", f"{', '.join(parts)}", "complete the sample")
    stream = archive.extractfile(said)
    content = stream.read() if stream else b""
    try:
        found = content.decode("utf-8-sig")
        found = _from_json(json.loads(found), text) if said.name.lower().endswith(".json") else found
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"a text in UTF-8, or JSON with a caption, in {where}", got, "correct the sample") from error
    return Pair(stem, found, f"{file}#{image.name}", partial(_member, file, image.offset_data, image.size), where)


def _from_json(found: Any, key: str) -> str:
    wanted = (key,) if key else TEXT
    name = next((one for one in wanted if one in found), wanted[0])
    value = "" if found[name] is None else found[name]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = "; ".join(value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}")
    return value


def _member(file: Path, start: int, size: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(size)


def _places(file: Path, head: Sequence[str], image: str, text: str) -> tuple[int, int]:
    """Where the images and the texts stand in a table's head."""
    image_at = column_place(head, image, IMAGE, file, "image_column")
    return image_at, column_place(head, text, TEXT, file, "text_column")
