"""Text and JSON files of others, read whole: no larger than `limits` allow, and refused in three parts."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip import limits
from retclip.errors import DataError
from retclip.escaping import brief

if TYPE_CHECKING:
    from pydantic import ValidationError


def read_text(file: Path, kind: str, most: int | None = None, setting: str = "limits.document_mib") -> str:
    """Return a text in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Parameters and errors are those of `read_bytes`.
    """
    content = read_bytes(file, kind, most, setting)
    try:
        return content.decode(encoding_of(content))
    except ValueError as error:
        raise _unreadable(file, kind, error) from error


def read_bytes(file: Path, kind: str, most: int | None = None, setting: str = "limits.document_mib") -> bytes:
    """Return a file's bytes.

    kind: of the file, for errors.
    most: bytes; None = the limit of documents.
    setting: the setting of that limit.
    Raises DataError.
    """
    allowed = limits.current().document_bytes if most is None else most
    try:
        check_file(file)
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = stream.read(min(size, allowed) + 1)  # not `allowed`: Python takes the memory before it reads
            if len(content) > size:  # it grew meanwhile
                content += stream.read(allowed + 1 - len(content))
            limits.check_size(max(len(content), size), allowed, f"{kind}: {file}", setting)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise _unreadable(file, kind, error) from error
    return content


def _unreadable(file: Path, kind: str, error: Exception) -> DataError:
    return DataError(f"a readable {kind}: {file}", str(error), "check the path; save it as UTF-8")


def encoding_of(content: bytes) -> str:
    """Return the encoding of a text: UTF-16 with a byte order mark (Windows' Unicode text), else UTF-8.

    content: the first bytes of a file.
    """
    return "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def check_file(file: Path) -> None:
    """Check that nobody waits for ever where a file is read. Raises OSError for a folder, pipe or device, and where
    nothing is there."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(f"a folder, pipe or device: {file}")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, split where editors show an end: a vertical tab in a name splits no names."""
    return re.split("\r\n|\r|\n", text)


def json_digest(value: Any) -> str:
    """Return the sha256 of a value as JSON, whatever the order of its keys; what JSON has no word for is text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def as_read(value: Any) -> Any:
    """Return a value as a JSON file of it is read: lists for tuples, text for what JSON has no word for."""
    return json.loads(json.dumps(value, default=str))


def first_fault(error: ValidationError) -> str:
    """Return what of a document is the first thing that its form forbids: its place, and why."""
    first = error.errors(include_input=False, include_url=False)[0]
    return ": ".join((".".join(map(str, first["loc"])) or "the whole", first["msg"]))


def read_json(file: Path, kind: str) -> Any:
    """Return a parsed JSON document. Raises DataError."""
    return parse_json(read_text(file, kind), f"{kind}: {file}")


def parse_json(text: str, where: str) -> Any:
    """Return parsed JSON text. Raises DataError, also for a key that an object has twice: one value would be lost.

    where: the document, for errors.
    """
    try:
        return json.loads(text, object_pairs_hook=_once_each)
    except RecursionError as error:
        raise DataError(f"JSON that nests less deeply in {where}", "hundreds of levels", "write it flat") from error
    except ValueError as error:
        raise DataError(f"well-formed JSON in {where}", str(error), "check the file, or export it again") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises ValueError for a key that comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {brief(next(key for key in keys if keys.count(key) > 1))} twice in one object")
    return found
