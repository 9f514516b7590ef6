"""The SQL schema. First the data: data sets, images, classes, segments, labels, feature spaces. Then the work:
runs and their ledger, shards of the archive, indexes and their outbox, events, decisions about names.

SQL and the feature archive are the truth; a vector index is a copy of `segment`, `segment_feature` and `category`.
States of images and segments are small integers with a named CHECK. Events, facts and masks are only ever added; apart
from their keys, `segment`, `category` and `category_alias` are caches of the facts (`retclip.store.history`). Tables
for later subjects (tombstones, traces, API keys) come with their own migrations.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from retclip.store.ids import NAME_WIDTH
from retclip.store.records import ACTOR_WIDTH
from retclip.store.sql.columns import Base, BigKey, BinaryUuid, Json, Moment, OneOf, now
from retclip.store.sql.row_checksum import Sealed
from retclip.store.states import (
    Action,
    Decision,
    GapReason,
    IndexState,
    LabelSource,
    RunKind,
    RunState,
    UnitState,
    Word,
)

SCHEMA_HEAD = "0016"  # the newest migration; a test holds it against migrations/versions

NORMAL, QUARANTINED, RETIRED = 0, 1, 2  # segment.status
ACTIVE, DELETING, PURGED = 1, 2, 3  # image.state


def _one_of(column: str, words: type[Word]) -> str:
    """Make the condition of a CHECK that a column holds one of those words."""
    return f"{column} IN ({', '.join(map(repr, map(str, words)))})"


def _of_mask(table: str) -> ForeignKeyConstraint:
    """Make the foreign key of a row that belongs to a mask."""
    return ForeignKeyConstraint(
        ["segment_id", "mask_no"], ["mask.segment_id", "mask.number"], name=f"fk_{table}_mask", ondelete="CASCADE"
    )


class Dataset(Sealed, Base):
    """A data set that photos came from."""

    __tablename__ = "dataset"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    uri: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ImageRow(Sealed, Base):
    """A photo, known by the digest of its file."""

    __tablename__ = "image"
    NUMBERED_LATER = True
    __table_args__ = (
        CheckConstraint("width > 0 AND height > 0", name="size"),
        CheckConstraint("state BETWEEN 1 AND 3", name="state"),
        Index("ix_image_not_active", "state", sqlite_where=text("state <> 1"), postgresql_where=text("state <> 1")),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"), index=True)
    external_id: Mapped[str] = mapped_column(String(NAME_WIDTH), index=True)
    uri: Mapped[str] = mapped_column(Text, default="")
    width: Mapped[int]
    height: Mapped[int]
    state: Mapped[int] = mapped_column(SmallInteger, default=ACTIVE)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ImageCredit(Sealed, Base):
    """Whose photo it is: what a data set, or a class file, says of author, licence and address on the web."""

    __tablename__ = "image_credit"
    image_id: Mapped[int] = mapped_column(
        ForeignKey("image.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    author: Mapped[str] = mapped_column(Text, default="")
    licence: Mapped[str] = mapped_column(Text, default="")
    address: Mapped[str] = mapped_column(Text, default="")


class Category(Sealed, Base):
    """A class as it is now. A merged one names its target, a removed one the time. All but its number follows from
    `class_fact`."""

    __tablename__ = "category"
    __table_args__ = (CheckConstraint("merged_into_id IS NULL OR merged_into_id <> id", name="no_self_merge"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(200), unique=True)  # NFKC, casefolded
    is_thing: Mapped[bool | None]
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    retired_at: Mapped[datetime | None] = mapped_column(Moment)


class CategoryAlias(Sealed, Base):
    """Another name of a class, which follows from `class_fact`."""

    __tablename__ = "category_alias"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id", ondelete="CASCADE"), index=True)
    alias: Mapped[str] = mapped_column(String(200))
    alias_key: Mapped[str] = mapped_column(String(200), unique=True)


class Proposer(Sealed, Base):
    """A maker of masks. Version and settings belong to the run: another version's masks replace the old ones."""

    __tablename__ = "proposer"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)


class Space(Sealed, Base):
    """A feature space: which backbone, weights, preprocessing and pooling make two vectors comparable."""

    __tablename__ = "feature_space"
    __table_args__ = (CheckConstraint("dim BETWEEN 1 AND 65536", name="dim"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    backbone: Mapped[str] = mapped_column(String(120))
    weights: Mapped[str] = mapped_column(String(64))
    preprocessing: Mapped[str] = mapped_column(Text)
    pooling: Mapped[str] = mapped_column(String(120))
    dim: Mapped[int]


class Segment(Sealed, Base):
    """A stored segment: a slot, and its current values, which follow from `segment_fact`. `rev` grows with every
    change."""

    __tablename__ = "segment"
    NUMBERED_LATER = True
    __table_args__ = (
        CheckConstraint("status BETWEEN 0 AND 2", name="status"),
        CheckConstraint("detector_score BETWEEN 0 AND 1", name="detector_score"),
        CheckConstraint("mask_score BETWEEN 0 AND 1", name="mask_score"),
        CheckConstraint(_one_of("label_source", LabelSource), name="label_source"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
        Index("ix_segment_category_id_status", "category_id", "status"),
        UniqueConstraint("image_id", "proposer_id", "prompt", "ordinal", name="slot"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    point_id: Mapped[UUID] = mapped_column(BinaryUuid, unique=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"))
    proposer_id: Mapped[int] = mapped_column(ForeignKey("proposer.id"))
    prompt: Mapped[str] = mapped_column(String(200))  # the name key of the class that was asked for
    ordinal: Mapped[int]
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))  # from here on: the current values
    label_source: Mapped[LabelSource] = mapped_column(OneOf(LabelSource))
    confidence: Mapped[float]
    labelled_by: Mapped[str] = mapped_column(String(ACTOR_WIDTH))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)  # whose mask it is
    mask_no: Mapped[int] = mapped_column(default=1)  # which of its masks
    score: Mapped[float]  # the proposer's objectness
    detector_score: Mapped[float | None]  # of the box or concept; None: there was no detector, or nobody wrote it down
    mask_score: Mapped[float | None]  # the IoU that the mask model predicted
    status: Mapped[int] = mapped_column(SmallInteger, default=NORMAL)
    rev: Mapped[int] = mapped_column(default=1)


class Mask(Sealed, Base):
    """A mask of a segment. Never changed: another mask is another number, and the vectors are a mask's."""

    __tablename__ = "mask"
    __table_args__ = (CheckConstraint("area > 0 AND width > 0 AND height > 0 AND x >= 0 AND y >= 0", name="box"),)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1 on
    x: Mapped[int]
    y: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    area: Mapped[int]
    rle: Mapped[bytes] = mapped_column(LargeBinary)  # COCO compressed counts, size = the image's


class SegmentFact(Sealed, Base):
    """An event's fact about a segment; columns that it does not state are empty. Never changed. Of each kind of column
    the newest row counts whose event is not undone (`retclip.store.history.segment_facts`)."""

    __tablename__ = "segment_fact"
    NUMBERED_LATER = True
    __table_args__ = (
        CheckConstraint(_one_of("label_source", LabelSource), name="label_source"),
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


class Trace(Base):
    """The evidence of an answer, kept until it expires (`retclip.store.segments.traces`)."""

    __tablename__ = "trace"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    image_sha256: Mapped[str] = mapped_column(String(64))
    image_uri: Mapped[str] = mapped_column(Text)
    evidence: Mapped[bytes] = mapped_column(LargeBinary)  # an evidence file


class TraceVoter(Base):
    """A segment that voted in an answer of which the trace is kept."""

    __tablename__ = "trace_voter"
    trace_id: Mapped[int] = mapped_column(
        ForeignKey("trace.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    segment_id: Mapped[int] = mapped_column(
        ForeignKey("segment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )


class SegmentFeature(Sealed, Base):
    """The place of the vector of a segment's mask: shard and row, with the checksum of its float16 bytes."""

    __tablename__ = "segment_feature"
    __table_args__ = (_of_mask("segment_feature"),)
    segment_id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    mask_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"), primary_key=True)
    shard_id: Mapped[int] = mapped_column(ForeignKey("feature_shard.id"), index=True)
    row_no: Mapped[int]
    crc32: Mapped[int] = mapped_column(BigKey)


class FeatureGap(Sealed, Base):
    """A mask whose vector is waived in a space. reason mask: it meets no cell of that backbone's features; photo: its
    photo could not be used, and a person accepted that."""

    __tablename__ = "feature_gap"
    __table_args__ = (CheckConstraint(_one_of("reason", GapReason), name="reason"), _of_mask("feature_gap"))
    segment_id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=False)
    mask_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"), primary_key=True)
    reason: Mapped[GapReason] = mapped_column(OneOf(GapReason))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))


class SegmentTrust(Sealed, Base):
    """The trust in a segment's label in a space, as of its revision then (`retclip.store.segments.trust`). It follows
    from vectors and labels, and may be computed again at any time."""

    __tablename__ = "segment_trust"
    __table_args__ = (CheckConstraint("trust BETWEEN 0 AND 1", name="trust"),)
    segment_id: Mapped[int] = mapped_column(
        ForeignKey("segment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"), primary_key=True)
    rev: Mapped[int]  # the segment's
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))  # the label that is judged
    rule: Mapped[int] = mapped_column(SmallInteger)  # of the computation; another one's rows count as absent
    trust: Mapped[float | None]  # None: nothing to compare it with
    own_distance: Mapped[float | None]  # mean to the nearest of its class
    other_distance: Mapped[float | None]  # mean to the nearest of the suggested class
    suggested_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))


class StoreIdentity(Sealed, Base):
    """One row: which store this catalog belongs to. The same UUID lies in the store's folder."""

    __tablename__ = "store_identity"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    uuid: Mapped[UUID] = mapped_column(BinaryUuid, unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Run(Sealed, Base):
    """One run of a build, of `class add`, of a fill from the fallback data set, or of `store add-space`."""

    __tablename__ = "run"
    __table_args__ = (CheckConstraint(_one_of("state", RunState), name="state"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[RunKind] = mapped_column(OneOf(RunKind, 32))
    source: Mapped[str] = mapped_column(Text)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    proposer_id: Mapped[int] = mapped_column(ForeignKey("proposer.id"))
    proposer_version: Mapped[str] = mapped_column(String(64))
    proposer_settings: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    components: Mapped[dict[str, Any] | None] = mapped_column(Json)  # by role: name, version, settings, weights
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"))
    config: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    program: Mapped[str] = mapped_column(String(64))  # version of retclip
    state: Mapped[RunState] = mapped_column(OneOf(RunState), default=RunState.RUNNING)
    counts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    started_at: Mapped[datetime] = mapped_column(Moment, default=now)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    event_id: Mapped[int | None] = mapped_column(ForeignKey("event.id"), index=True)  # of its facts; None: none yet


class Unit(Sealed, Base):
    """The ledger: one image under one recipe, space, annotation and class set. A finished unit is not done again;
    `owner` works on a leased one, until `leased_until` at the latest."""

    __tablename__ = "unit"
    __table_args__ = (CheckConstraint(_one_of("state", UnitState), name="state"),)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"), index=True)
    classes: Mapped[list[str]] = mapped_column(Json, default=list)  # name keys of the prompts
    shown: Mapped[list[str] | None] = mapped_column(Json)  # those of them that its record shows; None: not written down
    content: Mapped[str] = mapped_column(String(64), default="")  # digest of annotation and recipe
    external_id: Mapped[str] = mapped_column(String(NAME_WIDTH))
    uri: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[UnitState] = mapped_column(OneOf(UnitState))
    segments: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=1)
    error: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    owner: Mapped[str | None] = mapped_column(String(300))  # host, process and when it began
    leased_until: Mapped[datetime | None] = mapped_column(Moment)
    begun: Mapped[bool] = mapped_column(default=False, server_default=false())  # the owner itself is at it


class Shard(Sealed, Base):
    """A file of the archive: float16 vectors, named by its content."""

    __tablename__ = "feature_shard"
    __table_args__ = (CheckConstraint("row_count > 0", name="rows"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    row_count: Mapped[int]
    dim: Mapped[int]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))


class StoreVersion(Sealed, Base):
    """One vector index of one space. At most one version of a space is active."""

    __tablename__ = "store_version"
    __table_args__ = (
        CheckConstraint(_one_of("state", IndexState), name="state"),
        UniqueConstraint("space_id", "number"),
        Index(
            "uq_store_version_one_active",
            "space_id",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"))
    number: Mapped[int]
    index_name: Mapped[str] = mapped_column(
        String(80), unique=True
    )  # its folder or collection; stores may share a server
    state: Mapped[IndexState] = mapped_column(OneOf(IndexState))
    home: Mapped[str | None] = mapped_column(Text)  # which engine followed last: "edge", or a server's URL
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Outbox(Base):
    """Segments whose index entry must follow: written in the transaction that changed them, per store version."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_pending", "id", sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL")
        ),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("store_version.id"))
    segment_ids: Mapped[bytes] = mapped_column(LargeBinary)  # little-endian int64, one after the other
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
    done_at: Mapped[datetime | None] = mapped_column(Moment)


class Event(Sealed, Base):
    """A change by somebody; its facts say what exactly changed. An undo is an event that names another one. Append-only
    (triggers refuse UPDATE and DELETE)."""

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(_one_of("action", Action), name="action"),
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
        CheckConstraint(_one_of("decision", Decision), name="decision"),
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


class ReconcileRun(Base):
    """The result of a comparison of SQL and index, and whether it was repaired."""

    __tablename__ = "reconcile_run"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("store_version.id"))
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    missing: Mapped[int]
    orphan: Mapped[int]
    stale: Mapped[int]
    damaged: Mapped[int]
    repaired: Mapped[bool]
