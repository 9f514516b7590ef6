"""The SQL schema, second half: the work. Runs and their ledger, shards of the archive, indexes and what they still
have to follow, and the append-only events. The first half, what is known, is `retclip.store.tables`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from retclip.store.columns import Base, BigKey, BinaryUuid, Json, Moment, now


class StoreIdentity(Base):
    """One row: which store this catalog belongs to. The same UUID lies in the store's folder."""

    __tablename__ = "store_identity"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    uuid: Mapped[UUID] = mapped_column(BinaryUuid, unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Run(Base):
    """One run of a build, of `class add` or of `store add-space`."""

    __tablename__ = "run"
    __table_args__ = (CheckConstraint("state IN ('running', 'finished', 'interrupted', 'failed')", name="state"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(Text)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    proposer_id: Mapped[int] = mapped_column(ForeignKey("proposer.id"))
    proposer_version: Mapped[str] = mapped_column(String(64))
    proposer_settings: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"))
    config: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    program: Mapped[str] = mapped_column(String(64))  # version of retclip
    state: Mapped[str] = mapped_column(String(16), default="running")
    counts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    started_at: Mapped[datetime] = mapped_column(Moment, default=now)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class Unit(Base):
    """The ledger: one image under one recipe, space, annotation and class set. What is finished is not done again."""

    __tablename__ = "unit"
    __table_args__ = (CheckConstraint("state IN ('finished', 'failed')", name="state"),)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"), index=True)
    classes: Mapped[list[str]] = mapped_column(Json, default=list)  # name keys of what was asked for
    content: Mapped[str] = mapped_column(String(64), default="")  # digest of annotation and recipe
    external_id: Mapped[str] = mapped_column(String(256))
    uri: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(String(16))
    segments: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=1)
    error: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment, default=now)


class Shard(Base):
    """A file of the archive: float16 vectors, named by its content."""

    __tablename__ = "feature_shard"
    __table_args__ = (CheckConstraint("row_count > 0", name="rows"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    row_count: Mapped[int]
    dim: Mapped[int]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))


class StoreVersion(Base):
    """One vector index of one space. At most one version of a space is active."""

    __tablename__ = "store_version"
    __table_args__ = (
        CheckConstraint("state IN ('building', 'active', 'retiring', 'dropped')", name="state"),
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
    state: Mapped[str] = mapped_column(String(16))
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


class Event(Base):
    """Who changed what, from what, to what. Append-only (triggers refuse UPDATE and DELETE)."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    actor: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(200))
    before: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class ReconcileRun(Base):
    """What a comparison of SQL and index found, and whether it was repaired."""

    __tablename__ = "reconcile_run"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("store_version.id"))
    at: Mapped[datetime] = mapped_column(Moment, default=now)
    missing: Mapped[int]
    orphan: Mapped[int]
    stale: Mapped[int]
    damaged: Mapped[int]
    repaired: Mapped[bool]
