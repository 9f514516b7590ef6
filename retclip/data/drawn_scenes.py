"""An image source of pictures that are computed, not photographed; plugins that draw scenes give it their `draw`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.data.class_choice import text_digest
from retclip.data.images import png_bytes
from retclip.errors import DataError
from retclip.home import expanded
from retclip.own_files import claim_folder, is_own_folder
from retclip.plugin.contracts import SourceClass, SourceImage
from retclip.types import Image, PanopticSegmentation

KIND = "scenes"  # what its folder is marked as
Drawing = tuple[NDArray[np.uint8], PanopticSegmentation]  # pixels (H, W, 3) and what they show


class DrawnScenes:
    """Pictures 0 .. count - 1. A picture's PNG is written into `folder` when its record is first listed.

    draw: returns pixels (H, W, 3) uint8 and annotation of an index; the same index always gives the same.
    stem: of the files' names.
    masks: False = the annotation is held back and each record states its classes alone, as image-level labels do.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[SourceClass],
        count: int,
        folder: Path,
        stem: str,
        draw: Callable[[int], Drawing],
        masks: bool = True,
    ) -> None:
        self.name, self.folder, self.masks = name, expanded(folder).resolve(), masks
        self._classes, self._count, self._stem, self._draw = tuple(classes), count, stem, draw

    def classes(self) -> Sequence[SourceClass]:
        """Return every class that a picture may show."""
        return self._classes

    def __len__(self) -> int:
        return self._count

    def images(self) -> Iterator[SourceImage]:
        """Yield every picture in order; its PNG is written where it is missing or differs. Raises DataError if it
        cannot be.
        """
        return (self._record(index) for index in range(len(self)))

    def _record(self, index: int) -> SourceImage:
        image, truth = self._drawn(index)
        present = {segment.class_name for segment in truth.segments}
        digest = image.sha256  # not the image itself: a listed record must not keep its pixels
        names = tuple(scene_class.name for scene_class in self._classes if scene_class.name in present)
        return SourceImage(
            external_id=f"{self._stem}_{index:04d}",
            uri=image.uri,
            load=lambda: self._drawn(index)[0],
            file_digest=lambda: digest,
            class_names=names,
            annotation_digest=_map_digest(truth) if self.masks else text_digest(names),
        )

    def _drawn(self, index: int) -> tuple[Image, PanopticSegmentation]:
        """The picture, which carries its annotation if it may, and the annotation; its PNG lies on the disk then."""
        pixels, truth = self._draw(index)
        png = png_bytes(pixels)
        target = self.folder / f"{self._stem}_{index:04d}.png"
        try:
            if not target.is_file() or target.read_bytes() != png:
                self._write(target, png)
        except OSError as error:
            raise DataError("a folder to write scenes into", f"{target}: {error}", "choose another `path`") from error
        digest = hashlib.sha256(png).hexdigest()
        return Image(pixels, digest, str(target), truth if self.masks else None), truth

    def _write(self, target: Path, png: bytes) -> None:
        """Over an earlier picture of ours only, in a folder that was made for pictures."""
        if not (self.folder.is_dir() and any(self.folder.iterdir())):
            claim_folder(self.folder, KIND, "`path`")
        elif target.is_file() and not is_own_folder(self.folder, KIND):
            got = f"{target}, another picture, in a folder that was not made for scenes"
            raise DataError("a folder of its own to write scenes into", got, "choose another `path`")
        target.write_bytes(png)


def _map_digest(truth: PanopticSegmentation) -> str:
    digest = hashlib.sha256(truth.label_map.tobytes())
    digest.update("\n".join(f"{segment.id} {segment.class_name}" for segment in truth.segments).encode())
    return digest.hexdigest()
