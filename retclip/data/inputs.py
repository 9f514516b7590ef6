"""What a caller may pass for a photo and for class names, brought to the words of the field."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from retclip.errors import DataError
from retclip.types import Image, Vocabulary


class ArrayLike(Protocol):
    """A NumPy array, a Pillow image, or what else gives its samples as they do."""

    @property
    def __array_interface__(self) -> Any:
        """Where the samples lie and of what type they are, as NumPy documents it."""


ImageInput = str | os.PathLike[str] | bytes | BinaryIO | Image | ArrayLike
Classes = str | os.PathLike[str] | Iterable[str] | Vocabulary | None


def as_image(image: Any) -> Image:
    """A photo, upright.

    image: a path; the bytes of a file, or one that is open for reading them; a Pillow image, which is turned as its
    EXIF data say; an (H, W, 3) uint8 RGB or (H, W) grey array; or an `Image`. Raises DataError.
    """
    from retclip.data.images import decode, from_array, read_image

    if isinstance(image, Image):
        return image
    if isinstance(image, str | os.PathLike):
        return read_image(Path(image).absolute())
    if hasattr(image, "read"):
        image = image.read()
    if isinstance(image, bytes | bytearray | memoryview):
        return decode(bytes(image), "bytes")
    kind = type(image)  # asking the image itself would decode it
    if hasattr(kind, "__array_interface__") or hasattr(kind, "__array__"):
        return from_array(image)
    expected = "a path, bytes, a Pillow image, an (H, W, 3) uint8 RGB array or an Image"
    raise DataError(expected, kind.__name__, "pass one of these, or a list of them")


def several(images: Any) -> bool:
    """Whether these are photos, not one: a list, a tuple, or what gives them one after the other."""
    return isinstance(images, list | tuple | Iterator)


def as_vocabulary(classes: Classes) -> Vocabulary | None:
    """Classes as a Vocabulary; None stays None.

    classes: names, a comma list, the name of a file or its path, or a Vocabulary. Raises DataError.
    """
    from retclip.data.class_list import read_vocabulary, vocabulary_of

    if classes is None or isinstance(classes, Vocabulary):
        return classes
    if isinstance(classes, str):
        return read_vocabulary(classes)
    if isinstance(classes, os.PathLike):
        file = Path(classes)
        if not file.is_file():
            raise DataError(f"a file of class names: {file}", "no such file", "check the path, or pass the names")
        return read_vocabulary(str(file))
    if isinstance(classes, bytes | Mapping) or not isinstance(classes, Iterable):
        raise DataError(
            "class names, a file of them or a Vocabulary", type(classes).__name__, "pass e.g. ['sky', 'car']"
        )
    return vocabulary_of(list(classes))
