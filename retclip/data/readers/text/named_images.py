"""Photos of which somebody said which classes they show, but not where: image-level labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from retclip.data.class_choice import AnnotatedSettings, chosen, text_digest
from retclip.data.class_kinds import with_kinds
from retclip.data.file_bytes import ReadOnce
from retclip.data.images import file_digest, read_image
from retclip.plugin.contracts import SourceClass, SourceImage


@dataclass(frozen=True)
class NamedImage:
    """A photo with image-level labels.

    external_id: unique in the source.
    path: absolute.
    class_names: classes that the photo shows; it may show more.
    """

    external_id: str
    path: Path
    class_names: tuple[str, ...]


class NamedImages:
    """An ImageSource without masks. To be stored, its photos need a proposer that finds them."""

    def __init__(
        self, name: str, listed: Sequence[SourceClass], images: Sequence[NamedImage], settings: AnnotatedSettings
    ) -> None:
        self.name, self._images = name, images
        self._classes = chosen(with_kinds(listed, settings), settings)
        self._places = {source_class.name: place for place, source_class in enumerate(self._classes)}

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes in the data set's order."""
        return self._classes

    def __len__(self) -> int:
        return len(self._images)

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in the data set's order, their classes in that of `classes`."""
        for image in self._images:
            names = sorted(self._places.keys() & image.class_names, key=self._places.__getitem__)
            file = ReadOnce(image.path)
            yield SourceImage(
                external_id=image.external_id,
                uri=str(image.path),
                load=partial(read_image, file),
                file_digest=partial(file_digest, file),
                class_names=tuple(names),
                annotation_digest=text_digest(names),
            )
