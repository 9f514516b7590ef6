"""Events, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from typing import Any, overload
from uuid import UUID

from retclip.kinds import checked_kind, checked_limit
from retclip.store.records.filters import moment_of, require_all, values_of
from retclip.store.states import Action, SegmentStatus

EVENT_COLUMNS = (
    "event", "when", "who", "what", "of", "now", "segments", "undone by", "why", "before -> after", "masks by"
)  # fmt: skip
IN_NOTEBOOK = 50  # events, the newest
ACTOR_WIDTH = 120  # characters that are kept of who did something


@dataclass(frozen=True)
class SegmentMove:
    """Segments that were alike before an event, and alike after it.

    before, after: class and state of each: (name, visible | quarantined | retired).
    """

    before: tuple[str, SegmentStatus]
    after: tuple[str, SegmentStatus]
    segments: int

    def __str__(self) -> str:
        before, after = (name if state == SegmentStatus.VISIBLE else f"{name} ({state})"
                         for name, state in (self.before, self.after))  # fmt: skip
        return f"{self.segments}: {before} -> {after}"


@dataclass(frozen=True)
class HistoryEvent:
    """A change of the store, by a person or a run.

    target: the class as it was called then, or the source of a build; of an undo the number of what it took back.
    now: what the class is called since, its new alias, or what it was merged into; "" for other actions.
    segments: how many it has facts about.
    runs: that add to it, oldest first.
    source, dataset: what the newest of them read, "" without one.
    undoes: the event that it took back.
    undone_by: the event that took it back.
    reason: why, in the actor's words, "" without any.
    proposer: of the masks of the newest of its runs, "" without one.
    moves: of a correction, what segments were before and after it, with their count.
    """

    id: int
    at: datetime
    actor: str
    action: Action
    target: str
    now: str = ""
    segments: int = 0
    runs: tuple[int, ...] = ()
    source: str = ""
    dataset: str = ""
    undoes: int | None = None
    undone_by: int | None = None
    reason: str = ""
    proposer: str = ""
    moves: tuple[SegmentMove, ...] = ()

    def cells(self) -> tuple[object, ...]:
        """Return a table's cells, by EVENT_COLUMNS; of a fill also the data set of its photos."""
        now = self.now or (self.dataset if self.action == Action.FILL else "")
        return (
            self.id, f"{self.at:%Y-%m-%d %H:%M}", self.actor, self.action, self.target, now or None,
            self.segments or None, self.undone_by, self.reason or None, "; ".join(map(str, self.moves)) or None,
            (self.proposer or None) if self.action == Action.BUILD else None,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        return {**asdict(self), "at": f"{self.at:%Y-%m-%dT%H:%M:%S}"}


@dataclass(frozen=True)
class EventFilter:
    """Conditions that all hold of an event. An empty list, or None, is no condition.

    actions: kinds of changes.
    actor: who did it: a person, or "run N".
    classes: names or aliases of classes that it is about: of their segments as they are called now, or as it called
    them.
    segment: that it has a fact about, by id; the undos of such events, too.
    run: number of a run that adds to it.
    since, until: bounds of its moment, both inclusive.
    undone: True: only undone events, False: only others.
    limit: the newest so many.
    """

    actions: tuple[Action, ...] = ()
    actor: str | None = None
    classes: tuple[str, ...] = ()
    segment: UUID | None = None
    run: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    undone: bool | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(Action(action) for action in values_of(self.actions)))
        object.__setattr__(self, "classes", values_of(self.classes))
        require_all("classes", self.classes, str, "texts")
        for name, kind in (("actor", str), ("segment", UUID), ("run", int), ("undone", bool)):
            if (value := getattr(self, name)) is not None:
                checked_kind(value, kind, f"a value of the kind {kind.__name__} as `{name}`", "see EventFilter")
        for name in ("since", "until"):
            object.__setattr__(self, name, moment_of(getattr(self, name)))
        if self.limit is not None:
            checked_limit(self.limit)


@dataclass(frozen=True)
class EventLog(Sequence[HistoryEvent]):
    """Events, oldest first, and the state of the chain that all events of the store are in.

    links: how many links the chain has.
    head: the hash of the newest, "" without any. Note it elsewhere: `doctor` tells whether it is still in the chain.
    """

    events: tuple[HistoryEvent, ...]
    links: int
    head: str

    def __len__(self) -> int:
        return len(self.events)

    @overload
    def __getitem__(self, index: int) -> HistoryEvent: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[HistoryEvent, ...]: ...

    def __getitem__(self, index: int | slice) -> HistoryEvent | tuple[HistoryEvent, ...]:
        return self.events[index]

    def _repr_html_(self) -> str:
        """Make a table of the newest events, without the columns that none of them fills."""
        rows = [event.cells() for event in self.events[-IN_NOTEBOOK:]]
        filled = [n for n in range(len(EVENT_COLUMNS)) if any(row[n] not in (None, "") for row in rows)]
        head = "".join(f"<th>{escape(EVENT_COLUMNS[n])}</th>" for n in filled)
        body = "".join(
            "<tr>" + "".join(f"<td>{'' if row[n] is None else escape(str(row[n]))}</td>" for n in filled) + "</tr>"
            for row in rows
        )
        left = len(self) - len(rows)
        more = f", the {left} before them left out" if left else ""
        caption = f"{len(self)} events{more}; {self.links} links, head {self.head[:16] or 'none'}"
        return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        chain = {"links": self.links, "head": self.head}
        return {"events": [event.as_dict() for event in self.events], "chain": chain}


@dataclass(frozen=True)
class SegmentState:
    """A segment as of an event.

    visible: neither retired nor quarantined.
    mask: its number, from 1 on.
    """

    class_name: str
    visible: bool
    mask: int
    labelled_by: str


@dataclass(frozen=True)
class SegmentChange:
    """A segment that differs between two events.

    before, after: None if the store did not have it.
    """

    id: UUID
    before: SegmentState | None
    after: SegmentState | None


@dataclass(frozen=True)
class ClassChange:
    """A class that differs between two events.

    before, after: its name; None if the store did not have the class, or it was removed.
    merged_before, merged_after: the class that it was merged into, None for none.
    """

    id: int
    before: str | None
    aliases_before: tuple[str, ...]
    merged_before: str | None
    after: str | None
    aliases_after: tuple[str, ...]
    merged_after: str | None


@dataclass(frozen=True)
class StoreDifference:
    """The classes and segments that differ between two events."""

    classes: tuple[ClassChange, ...]
    segments: tuple[SegmentChange, ...]

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        plain = asdict(self)
        return {**plain, "segments": [{**segment, "id": str(segment["id"])} for segment in plain["segments"]]}
