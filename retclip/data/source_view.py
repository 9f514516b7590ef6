"""An image source seen otherwise: under other class names, fewer images, or images changed as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from retclip.passed_over import PassedOver, passed_over_by
from retclip.plugin.contracts import ImageSource, SourceClass, SourceImage
from retclip.types import Image


def unchanged(record: SourceImage) -> SourceImage:
    """Return the record."""
    return record


@dataclass(frozen=True)
class SourceView:
    """An ImageSource over another one; parameters that are not given are the source's own.

    source: the source of the images.
    shown: the classes.
    change: returns the changed record; see `with_image`.
    records: only these records of the source; the files beside them are not reported then.
    most: only so many records.
    enough: is asked before each record whether no more is needed.
    """

    source: ImageSource
    shown: Sequence[SourceClass] | None = None
    change: Callable[[SourceImage], SourceImage] = unchanged
    records: Sequence[SourceImage] | None = None
    most: int | None = None
    enough: Callable[[], bool] = lambda: False

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    def classes(self) -> Sequence[SourceClass]:
        """Return the classes, each with its synonyms."""
        return self.source.classes() if self.shown is None else self.shown

    def images(self) -> Iterator[SourceImage]:
        """Yield the records in the source's order."""
        records = self.source.images() if self.records is None else iter(self.records)
        return map(self.change, islice(takewhile(lambda _: not self.enough(), records), self.most))

    def passed_over(self) -> PassedOver:
        """Return the source's own report of omissions."""
        return passed_over_by(self.source) if self.records is None else PassedOver()

    def __len__(self) -> int:
        length = len(self.source) if self.records is None else len(self.records)
        return length if self.most is None else min(self.most, length)


def with_image(record: SourceImage, change: Callable[[Image], Image]) -> SourceImage:
    """Return the record whose image is changed when it is loaded."""
    load = record.load
    return replace(record, load=lambda: change(load()))
