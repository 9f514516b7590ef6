"""Class files, read: a file is of somebody else, so that nothing in it is believed before it was checked.

What unpacks to more than `limits.unpacked_mib`, members that the manifest does not name or whose digest differs,
records of another form, lines that point at nothing, masks that do not fit their photo, vectors of no unit length: all
of that is refused.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from retclip.data import rle
from retclip.data.class_file.records import (
    FORMAT,
    MANIFEST,
    RECORDS,
    VECTORS,
    VERSION,
    ClassFile,
    FileClass,
    FilePhoto,
    FileSegment,
    Manifest,
    Record,
)  # fmt: skip
from retclip.documents import check_file, first_fault, parse_json
from retclip.errors import DataError
from retclip.limits import check_size, current
from retclip.names import distinct

LENGTHS = (0.99, 1.01)  # of a vector: float16 moves it by up to 1e-3
TODO = "get it again from whoever made it, or export it again: retclip class export"
Checked = TypeVar("Checked", bound=Record)


def read_class_file(path: Path) -> ClassFile:
    """Return what a class file holds. Raises DataError for one that is foreign, damaged, of a later version, too large,
    or says what cannot be."""
    try:
        content = _content(path)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            manifest = _manifest(archive, path)
            members = {name: _member(archive, name, manifest, path) for name in _expected()}
        contents = _contents(members, manifest, path, hashlib.sha256(content).hexdigest())
        _check_references(contents, path)
        return contents
    except (DataError, MemoryError):
        raise
    except Exception as error:  # zipfile and zlib raise many kinds for damaged files
        raise _damaged(path, str(error) or type(error).__name__) from error


def _content(path: Path) -> bytes:
    try:
        check_file(path)
        with path.open("rb") as stream:
            allowed = current().unpacked_bytes
            content = stream.read(allowed + 1)
    except (OSError, ValueError) as error:
        raise DataError(f"a class file: {path}", str(error), "check the path") from error
    check_size(max(len(content), path.stat().st_size), allowed, f"a class file: {path}", "limits.unpacked_mib")
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise _damaged(path, "no zip, or the beginning of one")
    return content


def _expected() -> tuple[str, ...]:
    return (*(f"{kind}.jsonl" for kind in RECORDS), VECTORS)


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    names = archive.namelist()
    if sorted(names) != sorted((MANIFEST, *_expected())):
        raise _damaged(path, f"a zip of {', '.join(names[:6]) or 'nothing'}")
    total = sum(info.file_size for info in archive.infolist())
    check_size(total, current().unpacked_bytes, f"an unpacked class file: {path}", "limits.unpacked_mib")
    content = parse_json(archive.read(MANIFEST).decode(), f"{MANIFEST} of {path}")
    version = content.get("version") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if isinstance(version, int) and version > VERSION:
        got, todo = f"version {version}", "use a newer RetCLIP, or ask for a file of this version"
        raise DataError(f"a class file of version {VERSION}: {path}", got, todo)
    manifest = _checked(Manifest, content, f"{MANIFEST} of {path}")
    if manifest.space.id != manifest.space.space.id:
        raise _damaged(path, f"space {manifest.space.id}, whose parts make {manifest.space.space.id}")
    return manifest


def _member(archive: zipfile.ZipFile, name: str, manifest: Manifest, path: Path) -> bytes:
    """A member's bytes, which are no more than the zip's directory says. Raises DataError."""
    stated = manifest.members.get(name)
    content = archive.read(name)
    if stated is None or len(content) != stated.size or hashlib.sha256(content).hexdigest() != stated.sha256:
        raise _damaged(path, f"a {name} that is not what {MANIFEST} says")
    return content


def _contents(members: Mapping[str, bytes], manifest: Manifest, path: Path, sha256: str) -> ClassFile:
    lists: dict[str, Any] = {}
    for kind, form in RECORDS.items():
        name = f"{kind}.jsonl"
        lines = members[name].decode().splitlines()
        if len(lines) != getattr(manifest, kind):
            raise _damaged(path, f"{len(lines)} lines of {name}, not {getattr(manifest, kind)}")
        lists[kind] = tuple(
            _checked(form, parse_json(line, f"line {n} of {name} of {path}"), f"line {n} of {name} of {path}")
            for n, line in enumerate(lines, 1)
        )
    vectors = _vectors(members[VECTORS], (manifest.segments, manifest.space.dim), path)
    return ClassFile(manifest.space.space, vectors=vectors, sha256=sha256, **lists)


def _vectors(content: bytes, shape: tuple[int, int], path: Path) -> NDArray[np.float16]:
    """The array, of which nothing is made before its header was compared with the bytes that are there."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise _damaged(path, f"a {VECTORS} of another version of npy")
    stored_shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    size = len(content) - stream.tell()
    if stored_shape != shape or fortran or dtype != np.dtype("<f2") or size != 2 * shape[0] * shape[1]:
        raise _damaged(
            path, f"{VECTORS} of {stored_shape} {dtype}, {size} bytes, for {shape[0]} segments of {shape[1]}"
        )
    vectors = np.frombuffer(content, "<f2", offset=stream.tell()).reshape(shape)
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    wrong = np.flatnonzero(~((lengths >= LENGTHS[0]) & (lengths <= LENGTHS[1])))  # NaN is neither
    if len(wrong):
        raise _damaged(path, f"a vector of length {lengths[wrong[0]]:.4g}, row {wrong[0]} of {VECTORS}")
    return vectors


def _check_references(contents: ClassFile, path: Path) -> None:
    """Whether names are one class each, photos and slots come once, and every line that is pointed at is there."""
    _check_names(contents.classes, path)
    _once([photo.sha256 for photo in contents.photos], "photo", path)
    ends = {"photo": len(contents.photos), "origin": len(contents.origins), "class_line": len(contents.classes)}
    for n, segment in enumerate(contents.segments, 1):
        for what, end in ends.items():
            if getattr(segment, what) >= end:
                raise _damaged(path, f"line {n} of segments.jsonl, {what} {getattr(segment, what)} of {end}")
        if list(segment.against) != sorted({line for line in segment.against if line < len(contents.classes)}):
            raise _damaged(path, f"line {n} of segments.jsonl, against {segment.against} of {len(contents.classes)}")
        _check_mask(segment, contents.photos[segment.photo], f"line {n} of segments.jsonl", path)
    slots = [
        (segment.photo, contents.origins[segment.origin].proposer, segment.prompt, segment.ordinal)
        for segment in contents.segments
    ]
    _once(slots, "slot", path)


def _check_names(classes: Sequence[FileClass], path: Path) -> None:
    distinct((term for entry in classes for term in (entry.name, *entry.synonyms)), f"the names of {path}")


def _check_mask(segment: FileSegment, photo: FilePhoto, where: str, path: Path) -> None:
    most = current()
    if max(photo.width, photo.height) > most.image_side or photo.width * photo.height > most.image_pixels:
        raise _damaged(path, f"a photo of {photo.width} x {photo.height} pixels")
    try:
        measured = rle.measure({"size": [photo.height, photo.width], "counts": segment.counts})
    except DataError as error:
        raise _damaged(path, f"{where}, for {error.expected}: {error.got}") from error
    if measured != (segment.area, segment.box):
        recorded = f"area {segment.area} and box {segment.box}"
        raise _damaged(path, f"{where}, {recorded}, whose mask has area {measured[0]} and box {measured[1]}")


def _once(things: Sequence[Any], what: str, path: Path) -> None:
    if len(set(things)) != len(things):
        raise _damaged(path, f"a {what} that comes twice")


def _checked(form: type[Checked], content: Any, where: str) -> Checked:
    try:
        return form.model_validate(content)
    except ValidationError as error:
        raise DataError(f"a record of a class file: {where}", first_fault(error), TODO) from error


def _damaged(path: Path, got: str) -> DataError:
    return DataError(f"a whole class file, as `retclip class export` writes it: {path}", got, TODO)
