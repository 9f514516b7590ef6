"""The SQL schema: what is known of images, segments, labels, runs, shards and indexes.

SQL and the feature archive are the truth; a vector index is a copy of what `segment`, `segment_feature` and `category`
say. States are small integers with a named CHECK. Labels and events are only ever added. Rooms for later issues
(tombstones, fallback matches, traces, API keys) come with their own migrations.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from retclip.store.columns import Base, BigKey, BinaryUuid, Json, Moment, now

SCHEMA_HEAD = "0001"  # the newest migration; a test holds it against migrations/versions

NORMAL, QUARANTINED, RETIRED = 0, 1, 2  # segment.status
ACTIVE, DELETING, PURGED = 1, 2, 3  # image.state
LABEL_SOURCES = ("annotation", "detector", "assigned", "person")


class Dataset(Base):
    __tablename__ = "dataset"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    uri: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ImageRow(Base):
    __tablename__ = "image"
    __table_args__ = (
        CheckConstraint("width > 0 AND height > 0", name="size"),
        CheckConstraint("state BETWEEN 1 AND 3", name="state"),
        Index("ix_image_not_active", "state", sqlite_where=text("state <> 1"), postgresql_where=text("state <> 1")),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"), index=True)
    external_id: Mapped[str] = mapped_column(String(256))
    uri: Mapped[str] = mapped_column(Text, default="")
    width: Mapped[int]
    height: Mapped[int]
    state: Mapped[int] = mapped_column(SmallInteger, default=ACTIVE)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Category(Base):
    __tablename__ = "category"
    __table_args__ = (CheckConstraint("merged_into_id IS NULL OR merged_into_id <> id", name="no_self_merge"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(200), unique=True)  # NFKC, casefolded
    is_thing: Mapped[bool | None]
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    retired_at: Mapped[datetime | None] = mapped_column(Moment)


class CategoryAlias(Base):
    __tablename__ = "category_alias"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id", ondelete="CASCADE"), index=True)
    alias: Mapped[str] = mapped_column(String(200))
    alias_key: Mapped[str] = mapped_column(String(200), unique=True)
    source: Mapped[str] = mapped_column(String(64), default="")


class Recipe(Base):
    """What made masks: a proposer, its version and its settings."""

    __tablename__ = "recipe"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    proposer: Mapped[str] = mapped_column(String(120))
    version: Mapped[str] = mapped_column(String(64))
    settings: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class Space(Base):
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


class Run(Base):
    """One run of a build or of `class add`."""

    __tablename__ = "run"
    __table_args__ = (CheckConstraint("state IN ('running', 'finished', 'interrupted', 'failed')", name="state"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(Text)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    recipe_id: Mapped[int] = mapped_column(ForeignKey("recipe.id"))
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


class Segment(Base):
    """A stored segment. `category_id` is what its newest label says; `rev` grows with every change."""

    __tablename__ = "segment"
    __table_args__ = (
        CheckConstraint("status BETWEEN 0 AND 2", name="status"),
        CheckConstraint("area > 0 AND width > 0 AND height > 0 AND x >= 0 AND y >= 0", name="box"),
        Index("ix_segment_category_id_status", "category_id", "status"),
        UniqueConstraint("image_id", "recipe_id", "prompt", "ordinal", name="slot"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    point_id: Mapped[UUID] = mapped_column(BinaryUuid, unique=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"))
    recipe_id: Mapped[int] = mapped_column(ForeignKey("recipe.id"))
    prompt: Mapped[str] = mapped_column(String(200))
    ordinal: Mapped[int]
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    x: Mapped[int]
    y: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    area: Mapped[int]
    score: Mapped[float]
    rle: Mapped[bytes] = mapped_column(LargeBinary)  # COCO compressed counts, size = the image's
    status: Mapped[int] = mapped_column(SmallInteger, default=NORMAL)
    rev: Mapped[int] = mapped_column(default=1)


class Label(Base):
    """Who called a segment what. Never changed: a correction is a newer row."""

    __tablename__ = "label"
    __table_args__ = (
        CheckConstraint("source IN ('annotation', 'detector', 'assigned', 'person')", name="source"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"), index=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    source: Mapped[str] = mapped_column(String(16))
    confidence: Mapped[float]
    actor: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime] = mapped_column(Moment, default=now)


class SegmentFeature(Base):
    """Where a segment's vector lies: shard and row, with the checksum of its float16 bytes."""

    __tablename__ = "segment_feature"
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"), primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"), primary_key=True)
    shard_id: Mapped[int] = mapped_column(ForeignKey("feature_shard.id"), index=True)
    row_no: Mapped[int]
    crc32: Mapped[int] = mapped_column(BigKey)


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
