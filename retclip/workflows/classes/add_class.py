"""Walk 3, add a class: one name and images, walk 1 over that class alone. No training, no restart."""

from __future__ import annotations

from retclip.plugin.contracts import ImageSource
from retclip.progress import OnProgress, silent
from retclip.store.states import RunKind
from retclip.workflows.building.build_loop import BuildReport
from retclip.workflows.building.build_store import Purpose, begin_build, carry_out
from retclip.workflows.building.source_classes import require_annotation
from retclip.workflows.classes.addition import Addition, AdditionReport
from retclip.workflows.segment.parts import Parts

UNMARKED = (
    "say where it is: --crops where each photo shows it and nothing else, else --boxes, --points or --masks; or choose "
    "a proposer that finds masks: --proposer"
)


class OpenAddition:
    """An addition that is carried out, from one source after the other.

    gated: whether a regression check follows.
    events: numbers of the events so far, one for each source that left a trace. An addition that stops half-way has
    one, too, so that it can be undone; after a killed process the next addition of the class answers for it.
    """

    def __init__(self, parts: Parts, addition: Addition, gated: bool = False) -> None:
        self.parts, self.addition, self.gated = parts, addition, gated
        self.events: list[int] = []

    def carry_out(self, on_progress: OnProgress = silent) -> tuple[BuildReport, ...]:
        """Store the segments of every source that show the class. Nothing of another class is touched.

        From an annotated source its own masks of that class are taken; from plain photos whatever the build's proposer
        finds under that name. Raises DataError where a source has classes, but not this one, and for plain photos
        where the proposer only reads annotations.
        """
        return tuple(self._add(source, address, on_progress) for source, address in self.addition.sources)

    def _add(self, source: ImageSource, address: str, on_progress: OnProgress) -> BuildReport:
        name, classes = self.addition.name, self.parts.store.classes
        require_annotation(source, address, self.parts.proposer.name, self.parts.proposer.provides, UNMARKED)
        against = self.addition.against
        note, task = classes.note_of_addition(name, self.gated, against), f"add {'not ' if against else ''}{name}"
        purpose = Purpose(RunKind.CLASS_ADD, task, note, {"against": True} if against else {})
        loop = begin_build(self.parts, self.addition.shown_in(source), address, [name], purpose)
        try:
            return carry_out(loop, on_progress)
        finally:
            event = classes.finish_addition(loop.run.id)
            self.events += [] if event is None else [event]


def add_class(parts: Parts, addition: Addition, on_progress: OnProgress = silent) -> AdditionReport:
    """Add a class from all its sources. Raises what `OpenAddition.carry_out` raises."""
    open_addition = OpenAddition(parts, addition)
    return AdditionReport(open_addition.carry_out(on_progress), tuple(open_addition.events))
