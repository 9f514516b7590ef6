"""What `class add` takes: sources and photos, also from stdin, whole, or marked with boxes, points or masks."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from retclip.errors import ConfigError, DataError

Crops = Annotated[bool, typer.Option("--crops", help="Each photo shows the class and nothing else.")]
Boxes = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Boxes in the photos: CSV image,x,y,width,height, or COCO JSON.")
]
Points = Annotated[Path | None, typer.Option(metavar="FILE", help="Points in the photos: CSV image,x,y[,positive].")]
Masks = Annotated[Path | None, typer.Option(metavar="DIR|FILE", help="PNGs named like the photos; not 0 = the object.")]
STDIN = "-"
SAM, WHOLE, TRUTH, PATCHES = (
    "grounded_sam.prompted", "reference.whole_image", "reference.ground_truth", "reference.prompted_superpixels",
)  # fmt: skip


@dataclass(frozen=True)
class Given:
    """The sources of a class as addresses, and the proposer that its flags ask for, None = as the settings say."""

    addresses: tuple[str, ...]
    proposer: str | None


@dataclass(frozen=True)
class Marks:
    """The flags that say how the photos show the class."""

    crops: bool
    boxes: Path | None
    points: Path | None
    masks: Path | None

    @property
    def tables(self) -> dict[str, str]:
        """Flag -> file."""
        named = {"boxes": self.boxes, "points": self.points, "masks": self.masks}
        return {key: str(path.absolute()) for key, path in named.items() if path is not None}


def given(
    sources: list[str], marks: Marks, name: str, store: Path, config: Path | None, flags: dict[str, Any]
) -> Given:
    """What the arguments and flags mean. Plain photos that follow each other are one source. Raises ConfigError for
    flags that exclude each other, DataError for an empty list."""
    from retclip.data.source_address import is_plain, joined_address

    tables, listed = marks.tables, _with_stdin(sources)
    if len(tables) + marks.crops > 1:
        named = ", ".join([f"--{key}" for key in tables] + ["--crops"] * marks.crops)
        raise ConfigError(
            "one of --crops, --boxes, --points and --masks", named, "add the photos of each by themselves"
        )
    if not (tables or marks.crops):
        return Given(_joined(listed), None)
    strange = next((one for one in listed if not is_plain(one)), None)
    if strange is not None:
        flag = next(iter(tables), "crops")
        raise DataError(f"photos, folders or globs beside --{flag}", strange, f"leave --{flag} out for such a source")
    if marks.crops:
        return Given(_joined(listed), WHOLE)
    return Given((joined_address("regions", listed, **tables, shows=name),), _proposer(marks, store, config, flags))


def _with_stdin(sources: list[str]) -> list[str]:
    """`-` replaced by what stdin lists: a photo or source a line; empty lines and those that begin with # are passed
    over."""
    if sources.count(STDIN) > 1:
        raise ConfigError("- once, for the list on stdin", "it twice", "name it once")
    listed: list[str] = []
    for one in sources:
        listed += _lines() if one == STDIN else [one]
    return listed


def _lines() -> list[str]:
    lines = [line.strip() for line in os.fsdecode(sys.stdin.buffer.read()).lstrip("\ufeff").splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise DataError("photos or sources on stdin, one a line", "none", "pipe a list in, e.g. ls photos/*.jpg | ...")
    return found


def _joined(listed: list[str]) -> tuple[str, ...]:
    from retclip.data.source_address import is_plain, joined_address

    groups: list[list[str]] = []
    for one in listed:
        if groups and is_plain(one) and is_plain(groups[-1][0]):
            groups[-1].append(one)
        else:
            groups.append([one])
    return tuple(some[0] if len(some) == 1 else joined_address("folder", some) for some in groups)


def _proposer(marks: Marks, store: Path, config: Path | None, flags: dict[str, Any]) -> str:
    """Who makes masks of what is marked: SAM where it is here; else a box is its rectangle, a point its superpixel."""
    if marks.masks:
        return TRUTH
    from retclip.opening import configured, has_model

    if has_model(*configured(store, config, flags), SAM):
        return SAM
    return TRUTH if marks.boxes else PATCHES
