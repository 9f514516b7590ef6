"""How photos show a class that is added: whole, or marked with boxes, points or masks; and who makes masks of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retclip.data.source_address import is_plain, joined_address
from retclip.errors import ConfigError, DataError

Place = str | os.PathLike[str] | None
SAM, WHOLE, TRUTH, PATCHES = (
    "grounded_sam.prompted", "reference.whole_image", "reference.ground_truth", "reference.prompted_superpixels",
)  # fmt: skip


@dataclass(frozen=True)
class Marks:
    """The place of the class in plain photos; at most one of these is given.

    crops: each photo shows the class and nothing else.
    boxes: a file of boxes, CSV image,x,y,width,height or COCO JSON, in pixels of the upright photo.
    points: a file of points, CSV image,x,y[,positive], in the same pixels.
    masks: a folder or file of PNGs named like the photos, (H, W), 0 = not the class.
    """

    crops: bool = False
    boxes: Place = None
    points: Place = None
    masks: Place = None

    @property
    def tables(self) -> dict[str, str]:
        """Return the file of each mark, absolute, by its name. Raises ConfigError where more than one mark is given."""
        marks = {"boxes": self.boxes, "points": self.points, "masks": self.masks}
        tables = {key: str(Path(path).absolute()) for key, path in marks.items() if path is not None}
        if len(tables) + self.crops > 1:
            flags = ", ".join([f"--{key}" for key in tables] + ["--crops"] * self.crops)
            todo = "add the photos of each by themselves"
            raise ConfigError("one of --crops, --boxes, --points and --masks", flags, todo)
        return tables

    def check(self, sources: Sequence[str]) -> None:
        """Check that what is marked are photos. Raises ConfigError for marks that exclude each other, DataError for a
        source beside a mark that is none of photos.
        """
        tables = self.tables
        if not (tables or self.crops):
            return
        strange = next((source for source in sources if not is_plain(source)), None)
        if strange is not None:
            flag = next(iter(tables), "crops")
            todo = f"leave --{flag} out for such a source"
            raise DataError(f"photos, folders or globs beside --{flag}", strange, todo)

    def addresses(self, sources: Sequence[str], name: str) -> tuple[str, ...]:
        """Return the sources as addresses, consecutive plain photos as one.

        name: the class.

        Raises what `check` raises.
        """
        self.check(sources)
        tables = self.tables
        return (joined_address("regions", sources, **tables, shows=name),) if tables else joined(sources)

    def masks_by(self, has_model: Callable[[str], bool]) -> str:
        """Return the proposer that makes masks of the marks; "" without marks.

        SAM takes boxes and points where it is installed, otherwise boxes are rectangles and points choose superpixels.

        has_model: returns whether a proposer and its weights are installed.
        """
        tables = self.tables
        if not (tables or self.crops):
            return ""
        if self.crops:
            return WHOLE
        if "masks" in tables:
            return TRUTH
        if has_model(SAM):
            return SAM
        return TRUTH if "boxes" in tables else PATCHES


def joined(sources: Sequence[str]) -> tuple[str, ...]:
    """Return addresses, consecutive plain photos as one."""
    groups: list[list[str]] = []
    for source in sources:
        if groups and is_plain(source) and is_plain(groups[-1][0]):
            groups[-1].append(source)
        else:
            groups.append([source])
    return tuple(group[0] if len(group) == 1 else joined_address("folder", group) for group in groups)
