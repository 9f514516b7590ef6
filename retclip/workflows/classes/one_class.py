"""Of an annotated source the photos of one class, told under another name: how a fallback data set's "Canoe" becomes
the user's "kayak" without anybody behind it having to know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from retclip.data.class_choice import keep_classes
from retclip.plugin.contracts import ImageSource, SourceClass, SourceImage
from retclip.types import Image


def records_showing(source: ImageSource, names: Collection[str], most: int) -> dict[str, list[SourceImage]]:
    """Per class of the source the first records that show it, or may, at most `most`; one pass, which ends where every
    class has enough. No image is read."""
    found: dict[str, list[SourceImage]] = {name: [] for name in names}
    lacking = set(found) if most > 0 else set()
    for record in source.images() if lacking else ():
        for name in list(lacking):
            if record.class_names is None or name in record.class_names:
                found[name].append(record)
                if len(found[name]) >= most:
                    lacking.remove(name)
        if not lacking:
            break
    return found


@dataclass(frozen=True)
class OneClass:
    """An ImageSource of one class. name: the data set's. theirs: how the data set calls the class. mine: the class as
    the user calls it. records: photos of it. enough: asked before each photo whether it is needed at all."""

    name: str
    theirs: str
    mine: SourceClass
    records: Sequence[SourceImage]
    enough: Callable[[], bool] = lambda: False

    def classes(self) -> Sequence[SourceClass]:
        """The one class."""
        return (self.mine,)

    def __len__(self) -> int:
        return len(self.records)

    def images(self) -> Iterator[SourceImage]:
        """Until there are enough. The annotation holds nothing but that class, under the user's name."""
        for record in self.records:
            if self.enough():
                return
            yield self._renamed(record)

    def _renamed(self, record: SourceImage) -> SourceImage:
        told = "\n".join((record.annotation_digest, self.theirs, self.mine.name))
        return replace(
            record,
            load=partial(self._load, record.load),
            class_names=None if record.class_names is None else (self.mine.name,),
            annotation_digest=hashlib.sha256(told.encode()).hexdigest(),
        )

    def _load(self, load: Callable[[], Image]) -> Image:
        image = load()
        if image.truth is None:
            return image
        truth = keep_classes(image.truth, frozenset((self.theirs,)))
        segments = tuple(replace(one, class_name=self.mine.name) for one in truth.segments)
        objects = truth.objects and truth.objects.renamed(lambda _: self.mine.name)
        return replace(image, truth=replace(truth, segments=segments, objects=objects))
