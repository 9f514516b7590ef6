"""Class files, written: the same content is the same bytes, wherever and whenever it is written.

The zip's members are not compressed, in a fixed order, with a fixed date: no version of a compressor shows, and nothing
unpacks to more than it is.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.data.class_file.records import FORMAT, MANIFEST, RECORDS, VECTORS, WITH_NEGATIVES, ClassFile, Record
from retclip.errors import DataError
from retclip.limits import check_size, current
from retclip.own_files import require_replaceable, write_durably

DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say


def write_class_file(path: Path, contents: ClassFile) -> str:
    """Write a class file, whole or not at all, and return its sha256.

    Raises ConfigError for a file that RetCLIP did not write; DataError for more than `limits.unpacked_mib`, which
    nobody could read, and where the file cannot be written.
    """
    require_replaceable(path, "the class file")
    packed = packed_class_file(contents)
    check_size(len(packed), current().unpacked_bytes, f"a class file: {path}", "limits.unpacked_mib, or export fewer")
    try:
        write_durably(path, packed)
    except OSError as error:
        raise DataError(f"a file that can be written: {path}", str(error), "choose another place") from error
    return hashlib.sha256(packed).hexdigest()


def packed_class_file(contents: ClassFile) -> bytes:
    """Return the file's bytes."""
    members = {f"{kind}.jsonl": _lines(getattr(contents, kind)) for kind in RECORDS}
    members[VECTORS] = _npy(contents.vectors)
    space = contents.space
    manifest = {
        "format": FORMAT,
        "version": WITH_NEGATIVES if any(segment.against for segment in contents.segments) else 1,
        "space": {
            "id": space.id, "backbone": space.backbone, "weights": space.weights,
            "preprocessing": space.preprocessing, "pooling": space.pooling, "dim": space.dim,
        },
        **{kind: len(getattr(contents, kind)) for kind in RECORDS},
        "members": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in members.items()
        },
    }  # fmt: skip
    first = (json.dumps(manifest, indent=1, ensure_ascii=True) + "\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in ((MANIFEST, first), *members.items()):
            info = zipfile.ZipInfo(name, DATE)
            info.external_attr = 0o644 << 16
            info.create_system = 3  # not the system's own
            archive.writestr(info, content)
    return buffer.getvalue()


def _lines(records: Sequence[Record]) -> bytes:
    """JSON, a record a line; what is at its default is left out. Keys are sorted: databases keep objects in orders of
    their own.
    """
    plain = (record.model_dump(mode="json", by_alias=True, exclude_defaults=True) for record in records)
    lines = (json.dumps(record, separators=(",", ":"), ensure_ascii=True, sort_keys=True) for record in plain)
    return "".join(f"{line}\n" for line in lines).encode()


def _npy(vectors: NDArray[np.float16]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(vectors, dtype="<f2"), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
