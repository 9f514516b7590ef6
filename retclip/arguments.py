"""What a caller may pass for a photo and for class names, brought to the words of the field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retclip.errors import DataError
from retclip.types import Image, Vocabulary


def as_image(image: Any) -> Image:
    """A path, an `Image` or an array as an Image. Raises DataError."""
    from retclip.data.images import from_array, read_image

    if isinstance(image, Image):
        return image
    if isinstance(image, str | Path):
        return read_image(Path(image).absolute())
    if hasattr(image, "__array__"):
        return from_array(image)
    raise DataError("a path, an Image or an (H, W, 3) uint8 array", type(image).__name__, "pass one of these")


def as_vocabulary(classes: Sequence[str] | str | Vocabulary | None) -> Vocabulary | None:
    """Names, a comma list, a file name or a Vocabulary as a Vocabulary; None stays None. Raises DataError."""
    from retclip.data.class_list import read_vocabulary, vocabulary_of

    if classes is None or isinstance(classes, Vocabulary):
        return classes
    return read_vocabulary(classes) if isinstance(classes, str) else vocabulary_of(classes)
