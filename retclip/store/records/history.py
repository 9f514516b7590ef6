"""Events, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, overload
from uuid import UUID

from retclip.store.states import Action

ACTOR_WIDTH = 120  # characters that are kept of who did something


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

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        return {**asdict(self), "at": f"{self.at:%Y-%m-%dT%H:%M:%S}"}


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
