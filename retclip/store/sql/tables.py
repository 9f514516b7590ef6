"""The SQL schema, first half: what is known of data sets, images, classes, segments, labels and feature spaces.

SQL and the feature archive are the truth; a vector index is a copy of what `segment`, `segment_feature` and `category`
say. States are small integers with a named CHECK. Labels and events are only ever added. Rooms for later issues
(tombstones, traces, API keys) come with their own migrations. Second half: `work_tables`.
"""

from __future__ import annotations

from datetime import datetime
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

from retclip.store.sql.columns import Base, BigKey, BinaryUuid, Moment, now
from retclip.store.sql.row_checksum import Sealed

SCHEMA_HEAD = "0009"  # the newest migration; a test holds it against migrations/versions

NORMAL, QUARANTINED, RETIRED = 0, 1, 2  # segment.status
ACTIVE, DELETING, PURGED = 1, 2, 3  # image.state
LABEL_SOURCES = ("annotation", "detector", "assigned", "person")
MASK_GAP, PHOTO_GAP = "mask", "photo"  # feature_gap.reason


class Dataset(Sealed, Base):
    __tablename__ = "dataset"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    uri: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ImageRow(Sealed, Base):
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
    external_id: Mapped[str] = mapped_column(String(256), index=True)
    uri: Mapped[str] = mapped_column(Text, default="")
    width: Mapped[int]
    height: Mapped[int]
    state: Mapped[int] = mapped_column(SmallInteger, default=ACTIVE)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class Category(Sealed, Base):
    __tablename__ = "category"
    __table_args__ = (CheckConstraint("merged_into_id IS NULL OR merged_into_id <> id", name="no_self_merge"),)
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[str] = mapped_column(String(200), unique=True)  # NFKC, casefolded
    is_thing: Mapped[bool | None]
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    retired_at: Mapped[datetime | None] = mapped_column(Moment)


class CategoryAlias(Sealed, Base):
    __tablename__ = "category_alias"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id", ondelete="CASCADE"), index=True)
    alias: Mapped[str] = mapped_column(String(200))
    alias_key: Mapped[str] = mapped_column(String(200), unique=True)
    source: Mapped[str] = mapped_column(String(64), default="")


class Proposer(Sealed, Base):
    """Who makes masks. Version and settings belong to the run: another version's masks take the place of the old ones,
    they do not stand beside them."""

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
    """A stored segment. `category_id` is what its newest label says; `rev` grows with every change."""

    __tablename__ = "segment"
    NUMBERED_LATER = True
    __table_args__ = (
        CheckConstraint("status BETWEEN 0 AND 2", name="status"),
        CheckConstraint("area > 0 AND width > 0 AND height > 0 AND x >= 0 AND y >= 0", name="box"),
        CheckConstraint("detector_score BETWEEN 0 AND 1", name="detector_score"),
        CheckConstraint("mask_score BETWEEN 0 AND 1", name="mask_score"),
        Index("ix_segment_category_id_status", "category_id", "status"),
        UniqueConstraint("image_id", "proposer_id", "prompt", "ordinal", name="slot"),
    )
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    point_id: Mapped[UUID] = mapped_column(BinaryUuid, unique=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id", ondelete="CASCADE"))
    proposer_id: Mapped[int] = mapped_column(ForeignKey("proposer.id"))
    prompt: Mapped[str] = mapped_column(String(200))  # the name key of the class that was asked for
    ordinal: Mapped[int]
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    x: Mapped[int]
    y: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    area: Mapped[int]
    score: Mapped[float]  # the proposer's objectness
    detector_score: Mapped[float | None]  # of the box or concept; None: there was no detector, or nobody wrote it down
    mask_score: Mapped[float | None]  # the IoU that the mask model predicted
    rle: Mapped[bytes] = mapped_column(LargeBinary)  # COCO compressed counts, size = the image's
    status: Mapped[int] = mapped_column(SmallInteger, default=NORMAL)
    rev: Mapped[int] = mapped_column(default=1)


class Label(Sealed, Base):
    """Who called a segment what. Never changed: a correction is a newer row."""

    __tablename__ = "label"
    NUMBERED_LATER = True
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


class SegmentFeature(Sealed, Base):
    """Where a segment's vector lies: shard and row, with the checksum of its float16 bytes."""

    __tablename__ = "segment_feature"
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"), primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"), primary_key=True)
    shard_id: Mapped[int] = mapped_column(ForeignKey("feature_shard.id"), index=True)
    row_no: Mapped[int]
    crc32: Mapped[int] = mapped_column(BigKey)


class FeatureGap(Sealed, Base):
    """A segment that is let go without a vector in a space. mask: it meets no cell of that backbone's features; photo:
    its photo could not be used, and a person accepted that."""

    __tablename__ = "feature_gap"
    __table_args__ = (CheckConstraint("reason IN ('mask', 'photo')", name="reason"),)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"), primary_key=True)
    space_id: Mapped[int] = mapped_column(ForeignKey("feature_space.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(String(16))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
