"""The beginning of an image source, as a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from retclip.passed_over import PassedOver, passed_over_by
from retclip.plugin.contracts import ImageSource, SourceClass, SourceImage


@dataclass(frozen=True)
class FirstImages:
    """The first `count` images of `source`, or all where it has fewer."""

    source: ImageSource
    count: int

    @property
    def name(self) -> str:
        """The source's."""
        return self.source.name

    def classes(self) -> Sequence[SourceClass]:
        """The source's."""
        return self.source.classes()

    def images(self) -> Iterator[SourceImage]:
        """In the source's order."""
        return islice(self.source.images(), self.count)

    def passed_over(self) -> PassedOver:
        """What the source says of itself."""
        return passed_over_by(self.source)

    def __len__(self) -> int:
        return min(self.count, len(self.source))
