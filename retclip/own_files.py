"""What is ours to replace: a command writes over what RetCLIP wrote, and over nothing else unless somebody asks.

A folder of results carries a hidden mark, `.retclip-KIND`, written before anything else. A single file carries its mark
in itself: `Software` of a PNG, `generator` of a page, `format` of a class file, the first line of a list of failures or
of segments.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from retclip.errors import ConfigError, DataError
from retclip.escaping import json_text
from retclip.quantities import some

PROGRAM, RESULTS = "RetCLIP", "results"
FAILURES_HEAD = ("external_id", "uri", "reason", "attempts")
SEGMENTS_HEAD = (  # of a list of segments; the correcting commands read the first two, and `suggested`
    "segment", "class", "dataset", "image", "photo", "x0", "y0", "x1", "y1", "label_source", "state", "score", "run",
    "distance", "trust", "suggested", "note",
)  # fmt: skip
MARKS = (  # of a file, in its first bytes
    f"Software\0{PROGRAM}".encode(),
    f'<meta name="generator" content="{PROGRAM}">'.encode(),
    b'"format": "retclip-classes"',  # of a class file: its manifest comes first
)
HEAD = 8192  # bytes of a file in which its mark stands
LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"})  # what systems leave in a new folder


def is_own_folder(folder: Path, kind: str) -> bool:
    """Tell whether a command that writes `kind` made that folder."""
    return _mark(folder, kind).is_file()


def require_own_folder(folder: Path, kind: str, flag: str = "--out") -> None:
    """Refuse a folder of somebody else's, one that is neither new, nor empty, nor marked, and one that takes no file.

    flag: how another folder is chosen.
    Raises ConfigError, and DataError for a folder that cannot be read or written.
    """
    require_writable(folder, flag)
    try:
        holds = sorted({path.name for path in folder.iterdir()} - LITTER) if folder.is_dir() else []
    except OSError as error:
        raise DataError(f"a folder for {kind}: {folder}", str(error), f"choose another with {flag}") from error
    if holds and not is_own_folder(folder, kind):
        todo = f"choose a new folder with {flag}; nothing was written"
        raise ConfigError(
            f"a new folder, or one that RetCLIP made: {kind}", f"{folder}, which holds {some(holds, 3)}", todo
        )


def claim_folder(folder: Path, kind: str, flag: str = "--out") -> None:
    """Make a folder, or take up one of ours, and mark it. Raises as `require_own_folder`."""
    require_own_folder(folder, kind, flag)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _mark(folder, kind).touch()
    except OSError as error:
        raise DataError(f"a folder for {kind}: {folder}", str(error), f"choose another with {flag}") from error


def require_writable(folder: Path, flag: str) -> None:
    """Refuse a folder in which no file can be made: before the work, not after it.

    folder: may be new, and is not made here.
    flag: how another place is chosen.
    Raises DataError.
    """
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    try:
        with TemporaryFile(dir=nearest):  # tried, not asked: a file system has more reasons than its permission bits
            pass
    except OSError as error:
        expected, got = f"a folder in which files can be made: {folder}", f"{nearest}: {error.strerror}"
        raise DataError(expected, got, f"choose another place for {flag}; nothing was written") from error


def is_own_file(path: Path) -> bool:
    """Tell whether RetCLIP wrote that file: a picture, a page, a list of failures."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    starts = tuple(",".join(columns).encode() for columns in (FAILURES_HEAD, SEGMENTS_HEAD))
    return any(mark in head for mark in MARKS) or head.startswith(starts)


def require_replaceable(path: Path, flag: str) -> None:
    """Refuse a file that holds what somebody else wrote, or that cannot be written: before the work, not after it.

    flag: how another name is chosen.
    Raises ConfigError for somebody else's, and DataError for one that cannot be read or written, or is no file.
    """
    require_writable(path.parent, flag)
    try:
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            got = f"{path}, {'which is read-only' if path.is_file() else 'a folder or device'}"
            raise DataError("a file to write", got, f"choose another name for {flag}; nothing was written")
        foreign = path.is_file() and path.stat().st_size > 0 and not is_own_file(path)
    except OSError as error:
        raise DataError(f"a file that can be read: {path}", str(error), f"choose another name for {flag}") from error
    if foreign:
        todo = f"choose another name for {flag}, or remove the file; nothing was written"
        raise ConfigError("a new file, or one that RetCLIP wrote", f"{path}, which it did not write", todo)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a place beside that path to write to, which takes its name at the end of the block: the file is the old one
    or the new one, whenever this is stopped."""
    temporary = path.with_name(f".{path.name}.tmp")
    with _removed_on_failure(temporary):
        yield temporary
        temporary.replace(path)


@contextmanager
def _removed_on_failure(temporary: Path) -> Iterator[None]:
    """What was written fills a disk that is full: it would stand in the way of the next try."""
    try:
        yield
    except Exception:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, document: Any) -> Path:
    """Write a document as JSON, whole or not at all; returns the file."""
    with written_whole(path) as temporary:
        temporary.write_text(json_text(document) + "\n", encoding="utf-8")
    return path


def write_durably(path: Path, content: bytes, reached: Callable[[str], None] = lambda _: None) -> None:
    """Write a file so that after a crash or power loss it is either whole or not there.

    reached: told the name of each step, for a test that stops after it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _removed_on_failure(temporary), temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    reached("file written")
    temporary.replace(path)
    reached("file renamed")
    sync_path(path.parent)


def sync_path(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replaceable(path: Path) -> Path:
    """That path, or where it is somebody else's the first of NAME_2, NAME_3 ... that is not."""
    numbered = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in count(2))
    return next(
        candidate
        for candidate in _in_turn(path, numbered)
        if not candidate.exists() or (candidate.is_file() and is_own_file(candidate))
    )


def _in_turn(path: Path, candidates: Iterator[Path]) -> Iterator[Path]:
    yield path
    yield from candidates


def _mark(folder: Path, kind: str) -> Path:
    return folder / f".retclip-{kind}"
