"""What lies in the place of weights and is none: a pointer that Git left there, a page that a server sent instead."""

from __future__ import annotations

from pathlib import Path

LOOKED_AT = 512  # bytes
POINTER = b"version https://git-lfs.github.com/spec/"
PAGE = "a web page, not the file (the server wants a log-in, a licence accepted, or has no such file)"
PAGES = (b"<!doctype html", b"<html", b"<?xml")  # a hub's log-in page, a drive's warning, a storage's refusal


def stand_in(path: Path) -> str:
    """What the file is instead of weights, in words, "" where it may be some. Nothing is said of a file that cannot be
    read."""
    try:
        with path.open("rb") as file:
            begin = file.read(LOOKED_AT)
    except OSError:
        return ""
    if begin.startswith(POINTER):
        return "a Git LFS pointer, not the file that it points to (fetch that with `git lfs pull`)"
    if begin.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGES):
        return PAGE
    return ""
