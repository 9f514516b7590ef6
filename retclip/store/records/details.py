"""Everything that the store knows of one segment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from retclip.store.records.classes import StoredSegment
from retclip.store.states import Action, LabelSource, SegmentStatus
from retclip.types import PhotoCredit


@dataclass(frozen=True)
class SegmentFactRecord:
    """A fact about a segment, with its event; what the fact does not state is None.

    event, at, actor, action, target: the event's number, moment, author, kind, and what it changed.
    undone_by: the number of the event that took it back, None where it holds.
    class_name, label_source, confidence: its label.
    run, mask, score: the run that made its mask, the mask's number from 1 on, the proposer's objectness.
    present: whether its image shows it.
    hidden: whether a person keeps it out of every answer.
    """

    event: int
    at: datetime
    actor: str
    action: Action
    target: str
    undone_by: int | None = None
    class_name: str | None = None
    label_source: LabelSource | None = None
    confidence: float | None = None
    run: int | None = None
    mask: int | None = None
    score: float | None = None
    present: bool | None = None
    hidden: bool | None = None

    def said(self) -> str:
        """Say what it states in a few words."""
        parts = [f"{self.class_name} by {self.label_source}"] if self.class_name is not None else []
        parts += [f"mask {self.mask} of run {self.run}"] if self.mask is not None else []
        parts += [] if self.present is None else ["shown" if self.present else "not shown any more"]
        parts += [] if self.hidden is None else ["quarantined" if self.hidden else "released"]
        return ", ".join(parts)


@dataclass(frozen=True)
class SegmentDetails:
    """A segment with its slot, photo, feature spaces and history.

    stored: its label, mask and origin as they hold now.
    image: the external id of its image.
    image_size: (H, W) in pixels of the upright image.
    ordinal: its number among the segments of one prompt in its image.
    mask: the number of its mask, from 1 on.
    spaces: the backbones of which it has a vector.
    facts: everything that was said of it, oldest first.
    trust: of its label, [0, 1], as of the last audit; None where the store does not know it.
    suggested: the class that is nearer than its own, "" for none.
    """

    stored: StoredSegment
    state: SegmentStatus
    image: str
    image_size: tuple[int, int]
    credit: PhotoCredit
    ordinal: int
    mask: int
    spaces: tuple[str, ...]
    facts: tuple[SegmentFactRecord, ...]
    trust: float | None = None
    suggested: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        plain = asdict(self)
        facts = [{**fact, "at": f"{fact['at']:%Y-%m-%dT%H:%M:%S}"} for fact in plain["facts"]]
        stored = {**plain.pop("stored"), "id": str(self.stored.id), "status": str(self.state)}
        return {**plain, "state": str(self.state), "stored": stored, "facts": facts}
