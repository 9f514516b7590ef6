"""`retclip undo | log | diff`, and what the commands share that change a store's classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.quantities import quantity
from retclip.store.states import Action

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.store.records import Edit, EventFilter, SegmentState


@dataclass(frozen=True)
class Chosen:
    """The options that select events. Of several values any may hold; commas separate them, too."""

    actions: Annotated[
        list[str] | None, typer.Option("--action", metavar="KIND", help="build, class.merge, segment.relabel, ...")
    ] = None
    actor: Annotated[str | None, typer.Option(metavar="WHO", help='A person, or "run N".')] = None
    classes: Annotated[list[str] | None, typer.Option("--class", metavar="NAME", help="About these classes.")] = None
    segment: Annotated[str | None, typer.Option(metavar="ID", help="That touched a segment.")] = None
    run: Annotated[int | None, typer.Option(metavar="N", help="That a run adds to.")] = None
    since: Annotated[str | None, typer.Option(metavar="DATE", help="Since then: 2026-11-29T14:30, UTC.")] = None
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Until then; a day counts whole.")] = None
    undone: Annotated[bool | None, typer.Option("--undone/--not-undone", help="Only those, or only others.")] = None
    limit: Annotated[int | None, typer.Option(metavar="N", help="The newest so many.")] = None

    def filter(self, memory: RetCLIP) -> EventFilter:
        """Return the conditions. Raises ConfigError for a word or a date that cannot be, DataError for a segment."""
        from retclip.store.records import EventFilter

        segment = None if self.segment is None else memory.store.segments.find([self.segment])[0]
        return EventFilter(
            tuple(map(Action, options.separated(self.actions, "--action"))), self.actor,
            tuple(options.separated(self.classes, "--class")), segment, self.run,
            options.moment("--since", self.since), options.moment("--until", self.until, last=True), self.undone,
            self.limit,
        )  # fmt: skip


@options.spread
def undo(
    event: Annotated[int, typer.Argument(help="Its number, as `retclip log` and `retclip class history` show it.")],
    at: options.Catalog,
) -> None:
    """Take a change back: what was built, added or fetched goes, what was removed or renamed comes back."""
    with options.catalog(at) as memory:
        done = memory.undo(event)
    print_edit(done, at.json)
    output.message(f"event {event} is undone; {quantity(done.segments, 'segment')} changed")


@options.spread
def log(
    at: options.Catalog,
    chosen: Chosen,
    as_of: Annotated[int | None, typer.Option("--at", help="Show the classes as of that event instead.")] = None,
) -> None:
    """What happened to the store, with the numbers of the events, the newest last; or what it held as of one of
    them."""
    with options.catalog(at) as memory:
        if as_of is None:
            from retclip.store.records import EVENT_COLUMNS

            events = memory.log(chosen.filter(memory))
            if at.json:
                output.data(events.as_dict())
            else:
                output.table(f"events of {at.store}", EVENT_COLUMNS, [event.cells() for event in events])
            return
        classes = memory.classes_at(as_of)
    if at.json:
        output.data([asdict(class_state) for class_state in classes])
        return
    rows = [
        (class_state.name, ", ".join(class_state.aliases), class_state.segments, class_state.images)
        for class_state in classes
    ]
    output.table(f"{at.store} as of event {as_of}", ("class", "aliases", "segments", "images"), rows)


@options.spread
def diff(
    first: Annotated[int, typer.Argument(help="The number of an event.")],
    second: Annotated[int, typer.Argument(help="Another one.")],
    at: options.Catalog,
) -> None:
    """What of the store is otherwise as of the second event than as of the first."""
    with options.catalog(at) as memory:
        changes = memory.diff(first, second)
    if at.json:
        output.data(changes.as_dict())
        return
    classes = [
        (change.before, ", ".join(change.aliases_before), change.merged_before,
         change.after, ", ".join(change.aliases_after), change.merged_after)
        for change in changes.classes
    ]  # fmt: skip
    columns = ("class", "aliases", "merged into", "then", "aliases then", "merged into then")
    output.table(f"classes of {at.store}, event {first} and event {second}", columns, classes)
    counted = Counter((_shown(change.before), _shown(change.after)) for change in changes.segments)
    rows = [(before, after, count) for (before, after), count in sorted(counted.items())]
    output.table(f"segments of {at.store}, event {first} and event {second}", ("was", "then", "segments"), rows)


def _shown(state: SegmentState | None) -> str:
    """Return a segment in a few words."""
    if state is None:
        return "not stored"
    return f"{state.class_name}, mask {state.mask}" + ("" if state.visible else ", not visible")


def print_edit(done: Edit, json: bool) -> None:
    """Print the number of the event and of the changed segments, as JSON."""
    if json:
        output.data({"event": done.event, "segments": done.segments})
