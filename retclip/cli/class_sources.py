"""What `class add` takes: sources and photos, also from stdin, and how photos show the class."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from retclip.documents import lines_of
from retclip.errors import ConfigError, DataError

STDIN = "-"


@dataclass(frozen=True)
class MarkOptions:
    """How the photos show the class."""

    crops: Annotated[bool, typer.Option("--crops", help="Each photo shows the class and nothing else.")] = False
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Boxes in the photos: CSV image,x,y,width,height, or COCO JSON.")
    ] = None
    points: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Points in the photos: CSV image,x,y[,positive].")
    ] = None
    masks: Annotated[
        Path | None, typer.Option(metavar="DIR|FILE", help="PNGs named like the photos; not 0 = the object.")
    ] = None


def with_stdin(sources: Sequence[str]) -> list[str]:
    """Return the sources, `-` replaced by the list on stdin: a photo or source a line.

    Empty lines, and those that begin with # and name no existing file, are passed over.

    Raises ConfigError for - twice, DataError for an empty list.
    """
    if list(sources).count(STDIN) > 1:
        raise ConfigError("- once, for the list on stdin", "it twice", "name it once")
    listed: list[str] = []
    for source in sources:
        listed += _lines() if source == STDIN else [source]
    return listed


def _lines() -> list[str]:
    lines = [line.strip() for line in lines_of(os.fsdecode(sys.stdin.buffer.read()).lstrip("\ufeff"))]
    addresses = [line for line in lines if line and not _is_remark(line)]
    if not addresses:
        raise DataError("photos or sources on stdin, one a line", "none", "pipe a list in, e.g. ls photos/*.jpg | ...")
    return addresses


def _is_remark(line: str) -> bool:
    try:
        return line.startswith("#") and not Path(line).exists()  # a photo may be called "#1.jpg"
    except OSError:  # longer than any file name
        return True
