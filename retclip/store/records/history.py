"""Events, and what differs between two of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from retclip.store.states import Action

ACTOR_WIDTH = 120  # characters that are kept of who did something


@dataclass(frozen=True)
class HistoryEvent:
    """A change of the store, by a person or a run.

    target: the class as it was called then, or the source of a build; of an undo the number of what it took back.
    now: what the class is called since, its new alias, or what it was merged into; "" for other actions.
    segments: of how many it speaks.
    runs: that speak under it, oldest first.
    source, dataset: what the newest of them read, "" without one.
    undoes: the event that it took back.
    undone_by: the event that took it back.
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

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "at": f"{self.at:%Y-%m-%dT%H:%M:%S}"}


@dataclass(frozen=True)
class SegmentState:
    """What a segment was as of an event. visible: neither retired nor quarantined. mask: its number, from 1 on."""

    class_name: str
    visible: bool
    mask: int
    labelled_by: str


@dataclass(frozen=True)
class SegmentChange:
    """A segment that two events leave differently. before, after: None where the store did not have it."""

    id: UUID
    before: SegmentState | None
    after: SegmentState | None


@dataclass(frozen=True)
class ClassChange:
    """A class that two events leave differently: name, aliases and what it was merged into, before and after. A name is
    None where the store did not have the class, or it was removed."""

    id: int
    before: str | None
    aliases_before: tuple[str, ...]
    merged_before: str | None
    after: str | None
    aliases_after: tuple[str, ...]
    merged_after: str | None


@dataclass(frozen=True)
class StoreDifference:
    """What of a store is otherwise as of one event than as of another."""

    classes: tuple[ClassChange, ...]
    segments: tuple[SegmentChange, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = asdict(self)
        return {**found, "segments": [{**one, "id": str(one["id"])} for one in found["segments"]]}
