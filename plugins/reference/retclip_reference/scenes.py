"""`reference.scenes`: labelled pictures that this plugin draws itself, so that every example runs with no download.

Four landscapes (meadow, beach, street, lake) in changing light; what stands in front hides what is behind.
Read next: `composition.py` for what stands where.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PILImage

from retclip.errors import DataError
from retclip.plugin import SourceClass, SourceImage
from retclip.types import Image
from retclip_reference.composition import CLASSES, compose

if TYPE_CHECKING:
    from retclip.types import PanopticSegmentation
    from retclip_reference import ScenesSettings

SPLITS = ("train", "val")  # a scene's random numbers start from (seed, split, index)


class Scenes:
    """An image source of drawn scenes; each PNG is written when its record is first listed."""

    name = "scenes"

    def __init__(self, settings: ScenesSettings) -> None:
        self.settings = settings

    def classes(self) -> Sequence[SourceClass]:
        """Every class that a scene may show, stuff first."""
        return [SourceClass(name, is_thing, native_id=i) for i, (name, is_thing) in enumerate(CLASSES.items())]

    def __len__(self) -> int:
        return self.settings.count

    def images(self) -> Iterator[SourceImage]:
        """Every scene in order; its PNG is written where it is missing or differs. Raises DataError if it cannot be."""
        return (self._record(index) for index in range(len(self)))

    def _record(self, index: int) -> SourceImage:
        image, truth = self._scene(index)
        present = {segment.class_name for segment in truth.segments}
        digest = image.sha256  # not the image itself: a listed record must not keep its pixels
        return SourceImage(
            external_id=self._stem(index),
            uri=image.uri,
            load=lambda: self._scene(index)[0],
            file_digest=lambda: digest,
            class_names=tuple(name for name in CLASSES if name in present),
            annotation_digest=_annotation_digest(truth),
        )

    def _stem(self, index: int) -> str:
        return f"{self.settings.split}_{self.settings.seed}_{index:04d}"

    def _scene(self, index: int) -> tuple[Image, PanopticSegmentation]:
        """The drawn picture, which carries its annotation, and the annotation; its PNG is on the disk afterwards."""
        chosen = self.settings
        rng = np.random.default_rng([chosen.seed, SPLITS.index(chosen.split), index])
        pixels, truth = compose(rng, index, chosen.height, chosen.width)
        png = _png(pixels)
        target = chosen.path.expanduser().resolve() / f"{self._stem(index)}.png"
        try:
            if not target.is_file() or target.read_bytes() != png:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(png)
        except OSError as error:
            raise DataError("a folder to write scenes into", f"{target}: {error}", "choose another `path`") from error
        return Image(pixels, hashlib.sha256(png).hexdigest(), str(target), truth), truth


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PILImage.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _annotation_digest(truth: PanopticSegmentation) -> str:
    digest = hashlib.sha256(truth.label_map.tobytes())
    digest.update("\n".join(f"{segment.id} {segment.class_name}" for segment in truth.segments).encode())
    return digest.hexdigest()
