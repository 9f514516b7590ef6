"""The history: events, the facts that say what each changed, the chain over both, and decisions about names.

Events and facts are only ever added.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from retclip.store.records import ACTOR_WIDTH
from retclip.store.sql.columns import Base, BigKey, Moment, OneOf, now
from retclip.store.sql.row_checksum import Sealed
from retclip.store.sql.tables.conditions import one_of
from retclip.store.states import Action, Decision, LabelSource


class SegmentFact(Sealed, Base):
    """An event's fact about a segment; columns that it does not state are empty. Never changed. Of each kind of column
    the newest row counts whose event is not undone (`retclip.store.history.segment_facts`)."""

    __tablename__ = "segment_fact"
    NUMBERED_LATER = True
    __table_args__ = (
        CheckConstraint(one_of("label_source", LabelSource), name="label_source"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
        CheckConstraint("(category_id IS NULL) = (label_source IS NULL)", name="label"),
        CheckConstraint("(mask_no IS NULL) = (run_id IS NULL)", name="mask"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), index=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"), index=True)
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))  # its label
    label_source: Mapped[LabelSource | None] = mapped_column(OneOf(LabelSource))
    confidence: Mapped[float | None]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))  # its mask
    mask_no: Mapped[int | None]
    score: Mapped[float | None]
    detector_score: Mapped[float | None]
    mask_score: Mapped[float | None]
    present: Mapped[bool | None]  # whether its image shows it
    hidden: Mapped[bool | None]  # whether a person keeps it out of every answer
    retired: Mapped[bool | None]  # whether a person took it out: no run brings it back


class ClassFact(Sealed, Base):
    """An event's fact about a class, like `segment_fact` (`retclip.store.history.class_facts`)."""

    __tablename__ = "class_fact"
    __table_args__ = (CheckConstraint("merged_into_id IS NULL OR merged_into_id <> category_id", name="no_self_merge"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), index=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"), index=True)
    name: Mapped[str | None] = mapped_column(String(200))  # from now on; earlier ones are aliases
    alias: Mapped[str | None] = mapped_column(String(200))
    is_thing: Mapped[bool | None]  # the first fact that states it decides
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    present: Mapped[bool | None]  # stored (again), or removed


class RejectionFact(Sealed, Base):
    """An event's fact that a segment is not of a class, or that this is not said any more. Never changed. The newest
    row counts whose event is not undone (`retclip.store.history.rejections`)."""

    __tablename__ = "rejection_fact"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), index=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"), index=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"), index=True)
    holds: Mapped[bool]


class Event(Sealed, Base):
    """A change by somebody; its facts say what exactly changed. An undo is an event that names another one. Append-only
    (triggers refuse UPDATE and DELETE)."""

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(one_of("action", Action), name="action"),
        CheckConstraint("(undoes IS NULL) = (action <> 'undo')", name="undoes"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    actor: Mapped[str] = mapped_column(String(ACTOR_WIDTH))
    action: Mapped[Action] = mapped_column(OneOf(Action, 32))
    target: Mapped[str] = mapped_column(String(200))  # for people to read: the class as it was called, the source
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"), index=True)  # None: of several
    undoes: Mapped[int | None] = mapped_column(ForeignKey("event.id"), unique=True)
    reason: Mapped[str] = mapped_column(Text, default="", server_default="")  # why, as its actor says


class ChainLink(Sealed, Base):
    """A transaction's share in an event: which rows it added, their digest, and the hash of all links up to here
    (`retclip.store.sql.chain_links`). Links are numbered in the order in which they are committed. Append-only, like
    `event`."""

    __tablename__ = "chain_link"
    __table_args__ = (CheckConstraint("number > 0", name="number"),)
    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)  # from 1 on, without a gap
    event_id: Mapped[int] = mapped_column(ForeignKey("event.id"), index=True)
    adds_event: Mapped[bool]  # whether the event's own row is among those that it added
    segment_facts: Mapped[str] = mapped_column(Text)  # their numbers: "1-350,360"
    class_facts: Mapped[str] = mapped_column(Text)
    rejection_facts: Mapped[str] = mapped_column(Text, default="", server_default="")
    digest: Mapped[str] = mapped_column(String(64))  # of the event's row if it was added, then of the facts
    previous: Mapped[str] = mapped_column(String(64))  # the hash of the link before, "" of the first
    hash: Mapped[str] = mapped_column(String(64), unique=True)


class ClassMatchRow(Sealed, Base):
    """A decision about a requested name. A later one names the row that it supersedes; only run and event are changed,
    once a fill has ended."""

    __tablename__ = "class_match"
    __table_args__ = (
        CheckConstraint("how IN ('exact', 'synonym', 'text', 'map', 'missing')", name="how"),
        CheckConstraint(one_of("decision", Decision), name="decision"),
        CheckConstraint("similarity BETWEEN -1 AND 1 AND threshold BETWEEN -1 AND 1", name="cosines"),
        CheckConstraint("how = 'missing' OR matched <> ''", name="matched"),
        CheckConstraint("supersedes_id IS NULL OR supersedes_id <> id", name="no_self"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    query: Mapped[str] = mapped_column(String(200))
    query_key: Mapped[str] = mapped_column(String(200), index=True)
    matched: Mapped[str] = mapped_column(String(200))  # the nearest class of a missing one, "" without any
    dataset: Mapped[str] = mapped_column(String(120))  # the fallback data set, "" = the store itself
    source: Mapped[str] = mapped_column(Text)  # its address
    how: Mapped[str] = mapped_column(String(16))
    similarity: Mapped[float | None]  # None if names decided, or a person
    encoder: Mapped[str] = mapped_column(String(64))  # fingerprint of the space of the texts, "" if names decided
    threshold: Mapped[float]
    decision: Mapped[Decision] = mapped_column(OneOf(Decision))
    decided_by: Mapped[str] = mapped_column(String(ACTOR_WIDTH))
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    reason: Mapped[str] = mapped_column(Text)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))  # the one that ended the fill
    event_id: Mapped[int | None] = mapped_column(ForeignKey("event.id"))  # the fill's, for an undo
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("class_match.id"), unique=True)
