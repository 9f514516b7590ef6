"""Walk 3, add a class: one name and images, walk 1 over that class alone. No training, no restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from retclip.data.class_list import vocabulary_of
from retclip.names import name_key
from retclip.passed_over import PassedOver, passed_over_by
from retclip.plugin.contracts import PERSON, SAID_BY, ImageSource, SourceClass, SourceImage
from retclip.store.classes import additions
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.building.build_store import build_store
from retclip.workflows.building.source_classes import require_annotation
from retclip.workflows.building.units import storable_text
from retclip.workflows.segment.parts import Parts

UNMARKED = (
    "say where it is: --crops where each photo shows it and nothing else, else --boxes, --points or --masks; or choose "
    "a proposer that finds masks: --proposer"
)


@dataclass(frozen=True)
class UnlabelledSource:
    """Photos that all show one class: what a folder becomes when a person says what is in it."""

    photos: ImageSource
    shown: SourceClass

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.photos.name

    def classes(self) -> Sequence[SourceClass]:
        """The one class."""
        return (self.shown,)

    def images(self) -> Iterator[SourceImage]:
        """Every photo, with who says what it shows."""
        for record in self.photos.images():
            yield replace(record, extra={**record.extra, SAID_BY: PERSON})

    def passed_over(self) -> PassedOver:
        """What the photos' source says of itself."""
        return passed_over_by(self.photos)

    def __len__(self) -> int:
        return len(self.photos)


@dataclass(frozen=True)
class ToldSource:
    """An annotated source that does not say whether the class counts, and a person who does."""

    inner: ImageSource
    key: str
    is_thing: bool

    @property
    def name(self) -> str:
        """The source's own name."""
        return self.inner.name

    def classes(self) -> Sequence[SourceClass]:
        """The source's, the class as the person says where the source does not."""
        return tuple(
            replace(one, is_thing=self.is_thing) if name_key(one.name) == self.key and one.is_thing is None else one
            for one in self.inner.classes()
        )

    def images(self) -> Iterator[SourceImage]:
        """The source's."""
        return self.inner.images()

    def passed_over(self) -> PassedOver:
        """What the source says of itself."""
        return passed_over_by(self.inner)

    def __len__(self) -> int:
        return len(self.inner)


def add_class(
    parts: Parts,
    name: str,
    source: ImageSource,
    address: str,
    is_thing: bool | None = None,
    on_progress: Callable[[BuildReport], None] = lambda _: None,
    on_event: Callable[[int], None] = lambda _: None,
    gated: bool = False,
) -> BuildReport:
    """Store the segments of `source` that show the class. Nothing of another class is touched.

    From an annotated source its own masks of that class are taken; from plain photos whatever the build's proposer
    finds under that name. on_event: told the number of the event, which is written down for an addition that stops
    half-way, too, so that it can be undone, and not for one that came to nothing; where the process died before, the
    next addition of the class answers for it. gated: the caller judges the class afterwards. Raises DataError where the
    source has classes, but not this one, and for plain photos where the proposer only reads annotations.
    """
    (name,) = vocabulary_of([name]).names  # a name that nobody could ask for later is refused
    require_annotation(source, address, parts.proposer.name, parts.proposer.provides, UNMARKED)
    if not source.classes():
        source = UnlabelledSource(source, SourceClass(name, is_thing))
    elif is_thing is not None:
        source = ToldSource(source, name_key(name), is_thing)
    note = parts.store.note_of_addition(name, gated)
    runs, done = list[int](), [BuildReport()]

    def step(report: BuildReport) -> None:
        done.append(report)
        on_progress(report)

    try:
        done += [build_store(parts, source, address, [name], additions.KIND, step, note=note, on_run=runs.append)]
    finally:
        for run in runs:
            told = {"segments": done[-1].segments, "images": done[-1].images, "source": storable_text(address)}
            end = partial(additions.finish_addition, name=name, run=run, told=told)
            event = parts.store.write(end)
            if event is not None:
                on_event(event)
    return done[-1]
