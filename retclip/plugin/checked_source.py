"""An image source whose records and classes are guarded and checked.

A record that cannot be read is that photo's failure; a source that raises while it lists its records, or lists
something else, is a plugin's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from retclip.errors import DataError
from retclip.names import checked_name, distinct
from retclip.plugin.calls import at_work, on_photos, reason_of
from retclip.plugin.checks import broken
from retclip.plugin.contracts import ImageSource, SourceClass, SourceImage
from retclip.types import Image

SHA256 = 64  # digits
Answer = TypeVar("Answer")


class CheckedSource:
    """A source with checked answers; attributes beside the contract are passed through.

    address: `reader:path?split=NAME`, with which it was opened, so that a run records it and a worker opens it again.
    reader_settings: with which its reader was loaded; None where nobody says them.
    """

    def __init__(
        self, source: ImageSource, component: str, address: str = "", reader_settings: BaseModel | None = None
    ) -> None:
        self._source, self._component, self.address = source, component, address
        self.reader_settings = reader_settings
        self._classes: tuple[SourceClass, ...] | None = None

    @property
    def name(self) -> str:
        """The data set's name. Raises ContractBroken, PluginFailed."""
        with at_work(self._component, "name its data set"):
            name = self._source.name
        if not isinstance(name, str):
            raise broken(self._component, "the name of the data set, a text", f"{name!r}"[:80])
        return name

    def classes(self) -> Sequence[SourceClass]:
        """Return its classes, checked once. Raises ContractBroken, PluginFailed, DataError for an invalid name."""
        if self._classes is None:
            with at_work(self._component, "list its classes"):
                classes = list(self._source.classes())
            check_classes(classes, self._component)
            self._classes = tuple(classes)
        return self._classes

    def images(self) -> Iterator[SourceImage]:
        """Yield its records. Raises ContractBroken, PluginFailed, and the source's own errors."""
        with at_work(self._component, "list its images"):
            records = iter(self._source.images())
        while True:
            with at_work(self._component, "list its images"):
                record = next(records, None)
            if record is None:
                return
            yield self._checked(record)

    def __len__(self) -> int:
        with at_work(self._component, "count its images"):
            return len(self._source)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def _checked(self, record: Any) -> SourceImage:
        if not isinstance(record, SourceImage):
            raise broken(self._component, "records of type SourceImage", type(record).__name__)
        for name in ("external_id", "uri", "annotation_digest"):
            if not isinstance(getattr(record, name), str):
                raise broken(self._component, f"a text for {name} of a record", f"{getattr(record, name)!r}"[:80])
        if not isinstance(record.class_names, tuple | list | set | frozenset | None):
            raise broken(self._component, "class_names of a record, a tuple or None", f"{record.class_names!r}"[:80])
        load, digest = partial(self._loaded, record.load, record.uri), partial(self._digest, record)
        alone = None if record.load_truth is None else partial(self._read, record.load_truth, record.uri)
        return replace(record, load=load, file_digest=digest, load_truth=alone)

    def _loaded(self, load: Callable[[], Image], uri: str) -> Image:
        import numpy as np  # who lists or changes classes decodes no photo

        image = self._read(load, uri)
        if not isinstance(image, Image) or not isinstance(image.pixels, np.ndarray):
            raise broken(self._component, "an Image", type(image).__name__)
        shape, dtype = image.pixels.shape, image.pixels.dtype
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
            raise broken(self._component, "pixels (H, W, 3) uint8", f"{shape} {dtype}")
        if image.truth is not None and np.shape(image.truth.label_map) != image.size:
            got = f"{np.shape(image.truth.label_map)} for a photo of {image.size}"
            raise broken(self._component, "a label map of the photo's size", got)
        return image

    def _digest(self, record: SourceImage) -> str:
        digest = self._read(record.file_digest, record.uri)
        if not isinstance(digest, str) or len(digest) != SHA256:
            raise broken(self._component, "the sha256 of a file, 64 digits", f"{digest!r}"[:80])
        return digest

    def _read(self, action: Callable[[], Answer], uri: str) -> Answer:
        """Return what a record's function returns. Raises DataError where its file cannot be read, or the source raises
        on it.
        """
        with on_photos(self._component, [uri]):
            try:
                return action()
            except (OSError, ValueError, MemoryError) as error:  # the file's fault, not the reader's
                raise DataError("a readable image", reason_of(error), "repair or remove the file") from error


def check_classes(classes: Sequence[SourceClass], source: str) -> None:
    """Check that names follow the rule for names (`retclip.names`), and that no two are one class.

    source: of the component.
    Raises ContractBroken; DataError for an invalid name, which the data set's files may contain.
    """
    where = f"the classes of {source}"
    invalid = [entry for entry in classes if not isinstance(entry, SourceClass)]
    if invalid:
        raise broken(source, "classes of type SourceClass", type(invalid[0]).__name__)
    for term in (term for entry in classes for term in (entry.name, *entry.synonyms)):
        if checked_name(term, where) != term:
            raise broken(source, "class names as retclip.names.checked_name gives them", repr(term))
    distinct((entry.name for entry in classes), where)
