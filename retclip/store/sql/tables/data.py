"""The data: data sets, photos, classes, segments and their masks, feature spaces, vectors and trust.

States of images and segments are small integers with a named CHECK. Masks are only ever added; apart from their keys,
`segment`, `category` and `category_alias` are caches of the facts (`retclip.store.history`).
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

from retclip.store.ids import NAME_WIDTH
from retclip.store.records import ACTOR_WIDTH
from retclip.store.sql.columns import Base, BigKey, BinaryUuid, Moment, OneOf, now
from retclip.store.sql.row_checksum import Sealed
from retclip.store.sql.tables.conditions import of_mask, one_of
from retclip.store.states import GapReason, LabelSource

NORMAL, QUARANTINED, RETIRED = 0, 1, 2  # segment.status
ACTIVE, DELETING, PURGED = 1, 2, 3  # image.state


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
        CheckConstraint(one_of("label_source", LabelSource), name="label_source"),
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


class SegmentFeature(Sealed, Base):
    """The place of the vector of a segment's mask: shard and row, with the checksum of its float16 bytes."""

    __tablename__ = "segment_feature"
    __table_args__ = (of_mask("segment_feature"),)
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
    __table_args__ = (CheckConstraint(one_of("reason", GapReason), name="reason"), of_mask("feature_gap"))
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
