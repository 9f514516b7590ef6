"""The records of a COCO JSON, kept as the file's bytes and parsed when they are asked for.

Parsed at once they take six times the file's size, most of it for the points of polygons that nobody looks at before
the photo is loaded. Values are those of Python's own parser, which reads whatever the quick one refuses.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType

from retclip.documents import read_bytes, read_json
from retclip.errors import DataError


class RawRecords(Sequence[Any]):
    """The records of a list in a JSON file; each is parsed anew whenever it is asked for.

    records: the list's items, parts of the file's bytes.
    file, kind: where they are from, for errors.
    """

    def __init__(self, records: Sequence[Raw], file: Path, kind: str) -> None:
        self._records, self._file, self._kind = records, file, kind

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self._parsed(record) for record in self._records[place]]
        return self._parsed(self._records[place])

    def __iter__(self) -> Iterator[Any]:
        return map(self._parsed, self._records)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | RawRecords) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # compared by what it holds, as a list is

    def _parsed(self, record: Raw) -> Any:
        """Return a record. Raises DataError, that of the whole file."""
        try:
            return msgspec.json.decode(record)
        except (msgspec.DecodeError, RecursionError):
            pass  # half a surrogate pair, a number beyond float64: Python reads both
        try:
            return json.loads(str(record, "utf-8"))
        except (ValueError, RecursionError) as error:
            read_json(self._file, self._kind)
            got = f"another than a moment ago: {error}"
            raise DataError(f"a {self._kind} that nobody changes: {self._file}", got, "try again") from error


class _Parts(msgspec.Struct):
    """What is read of a COCO JSON; each list may be missing."""

    images: list[Raw] | UnsetType = UNSET
    categories: list[Raw] | UnsetType = UNSET
    annotations: list[Raw] | UnsetType = UNSET
    licenses: Raw | UnsetType = UNSET


def read_records(file: Path, kind: str) -> Any:
    """Return a COCO JSON whose images and annotations are `RawRecords`; any other JSON parsed, as `read_json` does.

    kind: of the file, for errors.
    Raises DataError, in the words of `read_json`.
    """
    content = memoryview(read_bytes(file, kind))
    if bytes(content[:3]) == codecs.BOM_UTF8:
        content = content[3:]
    try:
        parts = msgspec.json.decode(content, type=_Parts)
    except (msgspec.DecodeError, RecursionError):  # UTF-16, NaN, no object, an error: whatever it is, Python's says it
        return read_json(file, kind)
    if isinstance(parts.annotations, UnsetType):  # an error, which tells what there is instead
        return read_json(file, kind)
    around = _around(content, parts)
    if any(around.count(f'"{name}"'.encode()) > 1 for name in _Parts.__struct_fields__):
        return read_json(file, kind)  # a list that comes twice, which Python's tells, or a word of the rest
    document: dict[str, Any] = {}
    for name in ("images", "annotations"):
        if not isinstance(records := getattr(parts, name), UnsetType):
            document[name] = RawRecords(records, file, kind)
    if not isinstance(parts.categories, UnsetType):
        document["categories"] = list(RawRecords(parts.categories, file, kind))
    if not isinstance(parts.licenses, UnsetType):
        document["licenses"] = RawRecords([parts.licenses], file, kind)[0]
    return document


def _around(content: memoryview, parts: _Parts) -> bytes:
    """Return what of a document lies around its records; to search all of it would take twice the time of the rest."""
    whole = _address(content)
    lists = [part for part in (parts.images, parts.categories, parts.annotations) if not isinstance(part, UnsetType)]
    spans = sorted((_address(part[0]) - whole, _address(part[-1]) - whole + len(part[-1])) for part in lists if part)
    ends = [0, *(end for _, end in spans)]
    return b"".join(content[end:begin] for end, begin in zip(ends, [*(begin for begin, _ in spans), None], strict=True))


def _address(part: Raw | memoryview) -> int:
    return int(np.frombuffer(part, np.uint8).ctypes.data)


def is_list(value: Any) -> bool:
    """Return whether a value of such a document is a list of records."""
    return isinstance(value, list | RawRecords)
