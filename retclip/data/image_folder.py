"""Photos without labels: a file, a folder, or a glob, in natural order; or several of these."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from retclip.data.file_bytes import ReadOnce
from retclip.data.images import file_digest, read_image
from retclip.data.photo_files import photos_in
from retclip.errors import DataError
from retclip.passed_over import PassedOver, Tally
from retclip.plugin.contracts import Settings, SourceClass, SourceImage

MAGIC = re.compile(r"[*?\[]")


class ImageFolderSettings(Settings):
    """Settings of a source of plain photos."""

    path: tuple[str, ...] = Field(min_length=1, description="a photo, a folder of photos, a glob, or several of them")
    recursive: bool = Field(False, description="look into the folders below as well")

    @field_validator("path", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class ImageFolder:
    """An ImageSource of plain photos.

    In a folder, files that do not end like a photo are counted as passed over. A named file, and one that ends like a
    photo, is yielded even when it is broken, so that it is listed with its reason.
    """

    def __init__(self, settings: ImageFolderSettings) -> None:
        self._tally = Tally()
        searched = [self._find(pattern, settings.recursive) for pattern in settings.path]
        self._paths, self._root = searched[0] if len(searched) == 1 else _together(searched)
        self.name = self._root.resolve().name or "photos"

    def classes(self) -> Sequence[SourceClass]:
        """Return no classes: plain photos have no labels."""
        return ()

    def __len__(self) -> int:
        return len(self._paths)

    def passed_over(self) -> PassedOver:
        """Return the files that are no photos."""
        return self._tally.total

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in natural order: photo2 before photo10."""
        for path in self._paths:
            name = str(path.relative_to(self._root)) if path.is_relative_to(self._root) else path.name
            path = path.absolute()  # stored with each photo, and read from elsewhere later
            file = ReadOnce(path)
            yield SourceImage(name, str(path), partial(read_image, file), partial(file_digest, file))

    def _find(self, pattern: str, recursive: bool) -> tuple[list[Path], Path]:
        try:
            return self._search(pattern, Path(pattern), recursive)
        except (OSError, ValueError) as error:  # no permission, a name too long, a null character
            raise DataError(f"a photo, folder or glob: {pattern}", str(error), "check the path") from error

    def _search(self, pattern: str, path: Path, recursive: bool) -> tuple[list[Path], Path]:
        if path.is_dir():
            photos, beside = photos_in(path, recursive)
            self._tally.add(beside)
            return sorted(photos, key=_natural), path
        if path.exists() or path.is_symlink() or not MAGIC.search(pattern):
            if not (path.exists() or path.is_symlink()):
                raise DataError(f"a photo, folder or glob: {path}", "nothing there", "check the path")
            return [path], path.parent
        matches = [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207  (patterns may be absolute)
        if not matches:
            raise DataError(f"files that match {pattern}", "none", "check the pattern")
        return sorted(matches, key=_natural), Path(MAGIC.split(pattern)[0] + "x").parent


def _together(searched: Sequence[tuple[list[Path], Path]]) -> tuple[list[Path], Path]:
    """Return every photo once, in the given order, and the folder above all of them."""
    paths = dict.fromkeys(path.absolute() for some, _ in searched for path in some)
    return list(paths), Path(os.path.commonpath([root.absolute() for _, root in searched]))


def _natural(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    parts = re.split(r"(\d+)", str(path).lower())
    key = [(True, int(part), "") if part.isdecimal() else (False, 0, part) for part in parts]
    return key, str(path)  # photo1 and photo01 are equal in the first part, and the order must be fixed
