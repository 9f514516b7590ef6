"""Walk 3, add a class: one name and images, walk 1 over that class alone. No training, no restart."""

from __future__ import annotations

from dataclasses import replace

from retclip.data.class_list import vocabulary_of
from retclip.data.source_view import SourceView
from retclip.names import name_key
from retclip.plugin.contracts import PERSON, SAID_BY, ImageSource, SourceClass, SourceImage
from retclip.progress import OnProgress, silent
from retclip.store.states import RunKind
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.building.build_store import Purpose, begin_build, carry_out
from retclip.workflows.building.source_classes import require_annotation
from retclip.workflows.segment.parts import Parts

UNMARKED = (
    "say where it is: --crops where each photo shows it and nothing else, else --boxes, --points or --masks; or choose "
    "a proposer that finds masks: --proposer"
)


class Addition:
    """A class that is being added, from one source after the other.

    is_thing: whether the class is countable; None = the sources decide, or nobody.
    gated: whether a regression check follows.
    events: numbers of the events so far, one for each source that left a trace. An addition that stops half-way has
    one, too, so that it can be undone; after a killed process the next addition of the class answers for it.
    """

    def __init__(self, parts: Parts, name: str, is_thing: bool | None = None, gated: bool = False) -> None:
        (self.name,) = vocabulary_of([name]).names  # a name that nobody could ask for later is refused
        self.parts, self.is_thing, self.gated = parts, is_thing, gated
        self.events: list[int] = []

    def add(self, source: ImageSource, address: str, on_progress: OnProgress = silent) -> BuildReport:
        """Store the segments of `source` that show the class. Nothing of another class is touched.

        From an annotated source its own masks of that class are taken; from plain photos whatever the build's proposer
        finds under that name. Raises DataError where the source has classes, but not this one, and for plain photos
        where the proposer only reads annotations.
        """
        require_annotation(source, address, self.parts.proposer.name, self.parts.proposer.provides, UNMARKED)
        note = self.parts.store.classes.note_of_addition(self.name, self.gated)
        purpose = Purpose(RunKind.CLASS_ADD, f"add {self.name}", note)
        loop = begin_build(self.parts, self._seen_as(source), address, [self.name], purpose)
        try:
            return carry_out(loop, on_progress)
        finally:
            event = self.parts.store.classes.finish_addition(self.name, loop.run.id)
            self.events += [] if event is None else [event]

    def _seen_as(self, source: ImageSource) -> ImageSource:
        """Return the source with every photo showing the class where nobody annotated it, and with the class's kind
        where only the person knows it.
        """
        if not source.classes():
            return SourceView(source, (SourceClass(self.name, self.is_thing),), _said_by_a_person)
        if self.is_thing is None:
            return source
        return SourceView(source, [self._told(source_class) for source_class in source.classes()])

    def _told(self, source_class: SourceClass) -> SourceClass:
        silent_of_it = name_key(source_class.name) == name_key(self.name) and source_class.is_thing is None
        return replace(source_class, is_thing=self.is_thing) if silent_of_it else source_class


def add_class(
    parts: Parts,
    name: str,
    source: ImageSource,
    address: str,
    is_thing: bool | None = None,
    on_progress: OnProgress = silent,
) -> BuildReport:
    """Add a class from one source. See `Addition`."""
    return Addition(parts, name, is_thing).add(source, address, on_progress)


def _said_by_a_person(record: SourceImage) -> SourceImage:
    return replace(record, extra={**record.extra, SAID_BY: PERSON})
