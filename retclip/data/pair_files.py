"""Images with a text each, as files hold them: CSV, TSV, Parquet, and tar shards (WebDataset)."""

from __future__ import annotations

import csv
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retclip.data.coco_records import stay_inside
from retclip.data.images import SUFFIXES
from retclip.errors import ConfigError, DataError

IMAGE = ("image", "file", "file_name", "filename", "image_path", "path")
TEXT = ("caption", "text", "title", "tags", "labels")
BATCH = 1024  # rows of a Parquet file at once


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
            rows = csv.reader(lines, delimiter="\t" if file.suffix.lower() == ".tsv" else ",", strict=True)
            head = next(rows, [])
            image_at, text_at = _column(head, image, IMAGE, file), _column(head, text, TEXT, file)
            for number, row in enumerate(rows, start=2):
                if len(row) <= max(image_at, text_at):
                    if any(row):
                        raise DataError(f"{len(head)} cells in row {number} of {file}", f"{len(row)}", "complete it")
                    continue
                yield _named(file, row[image_at], row[text_at], number)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
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
            image_at, text_at = names[_column(names, image, IMAGE, file)], names[_column(names, text, TEXT, file)]
            number = 0
            for group in range(table.num_row_groups):
                for batch in table.iter_batches(BATCH, row_groups=[group], columns=[image_at, text_at]):
                    for row in batch.to_pylist():
                        number += 1
                        yield _row(file, row[image_at], row[text_at], number, partial(_cell, file, image_at, number))
    except (OSError, ArrowException) as error:
        raise DataError(f"a readable Parquet file: {file}", str(error), "write it again") from error


def _row(file: Path, image: Any, text: Any, number: int, read: Callable[[], bytes]) -> Pair:
    """The image is a file name, or bytes in the table (also as {"bytes", "path"}, as Hugging Face writes them)."""
    inside = image.get("bytes") if isinstance(image, dict) else image
    if isinstance(inside, bytes):
        if not isinstance(text, str):
            raise DataError(f"a text in row {number} of {file}", f"{text!r}"[:80], "complete the row")
        return Pair(str(number), text, f"{file}#{number}", read, f"row {number} of {file}")
    return _named(file, image.get("path") if isinstance(image, dict) else image, text, number)


def _cell(file: Path, column: str, number: int) -> bytes:
    """The bytes of an image in a Parquet file, its row read anew: a listed pair must not keep its image."""
    from pyarrow import parquet

    with parquet.ParquetFile(file) as table:
        before = 0
        for group in range(table.num_row_groups):
            rows = table.metadata.row_group(group).num_rows
            if number <= before + rows:
                found = table.read_row_group(group, columns=[column]).column(0)[number - before - 1].as_py()
                content: bytes = found["bytes"] if isinstance(found, dict) else found
                return content
            before += rows
    raise DataError(f"row {number} in {file}", f"{before} rows", "do not change the file while it is read")


def _tar(file: Path, image: str, text: str) -> Iterator[Pair]:
    """Members of one stem in a row are a pair: an image, and a .txt or a .json with the text."""
    del image
    try:
        with tarfile.open(file) as archive:
            stem = ""
            parts: dict[str, tarfile.TarInfo] = {}
            for member in archive:
                if not member.isfile():
                    continue
                key, _, kind = member.name.rpartition("/")[2].partition(".")
                key = f"{member.name.rpartition('/')[0]}/{key}".lstrip("/")
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
    value = found[name]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = "; ".join(value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}")
    return value


def _member(file: Path, start: int, size: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(size)


def _column(head: list[str], named: str, usual: tuple[str, ...], file: Path) -> int:
    keys = [one.strip().casefold() for one in head]
    place = next((keys.index(one) for one in ((named.casefold(),) if named else usual) if one in keys), None)
    if place is None:
        expected = f"a column {named!r}" if named else f"one of the columns {', '.join(usual)}"
        raise DataError(f"{expected} in {file}", ", ".join(head)[:80] or "an empty file", "name the columns")
    return place
