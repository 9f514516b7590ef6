"""The work: which store it is, runs and their ledger, shards of the archive, indexes with their outbox, evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from retclip.store.ids import NAME_WIDTH
from retclip.store.sql.columns import Base, BigKey, BinaryUuid, Json, Moment, OneOf, now
from retclip.store.sql.row_checksum import Sealed
from retclip.store.sql.tables.conditions import one_of
from retclip.store.states import IndexState, RunKind, RunState, UnitState


class StoreIdentity(Sealed, Base):
    """One row: which store this catalog belongs to. The same UUID lies in the store's folder."""

    __tablename__ = "store_identity"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    uuid: Mapped[UUID] = mapped_column(BinaryUuid, unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Run(Sealed, Base):
    """One run of a build, of `class add`, of a fill from the fallback data set, or of `store add-space`."""

    __tablename__ = "run"
    __table_args__ = (CheckConstraint(one_of("state", RunState), name="state"),)
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
    __table_args__ = (CheckConstraint(one_of("state", UnitState), name="state"),)
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
        CheckConstraint(one_of("state", IndexState), name="state"),
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
