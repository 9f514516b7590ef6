"""Pairs in a tar shard (WebDataset): members of one stem are a sample, an image and its text."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from retclip.data.file_bytes import Part
from retclip.data.images import SUFFIXES
from retclip.data.readers.text.pairs import TEXT, BadPair, Pair, texts_of, tried
from retclip.documents import parse_json
from retclip.errors import DataError
from retclip.escaping import brief
from retclip.limits import check_size, current


def tar_pairs(file: Path, image: str, text: str) -> Iterator[Pair | BadPair]:
    """Yield the pairs of a tar shard, as `read_pairs` does.

    Consecutive members of one stem are a pair: an image, and a .txt or a .json with the text.
    """
    del image
    try:
        with tarfile.open(file, "r:") as archive:
            for stem, parts in _samples(archive):
                pair = partial(_shard_pair, file, archive, stem, parts, text)
                yield tried(f"sample {stem!r} of {file}", pair)
            _check_end(file, archive.offset)
    except (OSError, tarfile.TarError, EOFError) as error:
        todo = "unpack it first: samples are read from their places" if _is_packed(file) else "write the shard again"
        raise DataError(f"a readable tar file: {file}", str(error), todo) from error


def _is_packed(file: Path) -> bool:
    """Return whether a file is gzip, bzip2, xz or zstd, whatever its name is."""
    with file.open("rb") as stream:
        return stream.read(6).startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"))


def _samples(archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Yield (stem, its members by their endings), also of the samples before a damaged place."""
    stem, parts, damage = "", dict[str, tarfile.TarInfo](), None
    members = iter(archive)
    while damage is None:
        try:
            member = next(members, None)
        except (OSError, tarfile.TarError, EOFError) as error:
            member, damage = None, error
        if member is None:
            break
        folder, _, base = member.name.rpartition("/")
        if not member.isfile() or base.startswith("."):  # macOS adds ._a.jpg beside a.jpg
            continue
        key, _, kind = base.partition(".")
        key = f"{folder}/{key}".lstrip("/")
        kind = f".{kind.lower()}"
        if parts and (key != stem or kind in parts):  # what comes again is another sample of that name
            yield stem, parts
            parts = {}
        stem = key
        parts[kind] = member
    if parts:
        yield stem, parts
    if damage is not None:
        raise damage


def _check_end(file: Path, offset: int) -> None:
    """Check that a tar file ends where its listing ended: `tarfile` takes a damaged header for the end. Raises
    DataError."""
    with file.open("rb") as stream:
        stream.seek(offset)
        if any(stream.read(tarfile.BLOCKSIZE)):
            got = f"a damaged header at byte {offset}; what lies behind it is lost"
            raise DataError(f"a whole tar file: {file}", got, "write the shard again")


def _shard_pair(file: Path, archive: tarfile.TarFile, stem: str, parts: dict[str, tarfile.TarInfo], text: str) -> Pair:
    where = f"sample {stem!r} of {file}"
    images = [member for kind, member in parts.items() if kind in SUFFIXES]
    image = images[0] if images else None
    text_member = next((parts[kind] for kind in (".txt", ".json") if kind in parts), None)
    if image is None or text_member is None:
        raise DataError(f"an image and a .txt or .json in {where}", f"{', '.join(parts)}", "complete the sample")
    if len(images) > 1:
        got = " and ".join(member.name for member in images)
        raise DataError(f"one image in {where}", got, "leave one, or call what is no photo NAME.mask.png")
    check_size(text_member.size, current().text_bytes, f"text in {where}", "limits.text_kib")
    check_size(image.size, current().file_bytes, f"image in {where}", "limits.file_mib")
    stream = archive.extractfile(text_member)
    content = stream.read() if stream else b""
    try:
        document = content.decode("utf-8-sig")
        texts = (
            _from_json(parse_json(document, where), text) if text_member.name.lower().endswith(".json") else (document,)
        )
    except (ValueError, KeyError, TypeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(f"a text in UTF-8, or JSON with a caption, in {where}", got, "correct the sample") from error
    start, size = image.offset_data, image.size
    part = Part(file, f"bytes {start} to {start + size}")
    return Pair(stem, texts, f"{file}#{image.name}", partial(_member, file, start, size), where, part)


def _from_json(document: Any, key: str) -> tuple[str, ...]:
    keys = (key,) if key else TEXT
    name = next((candidate for candidate in keys if candidate in document), keys[0])
    texts = texts_of("" if document[name] is None else document[name])
    if texts is None:
        raise TypeError(f"{name} is {brief(document[name])}")
    return texts


def _member(file: Path, start: int, size: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read(size)
