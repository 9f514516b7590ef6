"""The catalog: names, photos, runs, segments with their masks and vectors, events and facts, indexes and outbox.

Revision 0010, the first of this layout: stores of 0001 to 0009 kept inverse patches instead of facts. They are built
again. Self-contained on purpose: later changes of `store.sql.tables` must not change what this once did.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
UUID = sa.Uuid().with_variant(sa.LargeBinary(16), "sqlite")

ACTIONS = (
    "'build', 'class.add', 'class.fill', 'class.rename', 'class.alias', 'class.merge', 'class.remove', "
    "'segment.relabel', 'segment.quarantine', 'segment.release', 'repair', 'undo'"
)

# The database itself refuses to change what was said. Events are not deleted either; masks and facts go with a photo.
SAYS = {
    "event": ("id", "at", "actor", "action", "target", "category_id", "undoes"),
    "mask": ("segment_id", "number", "x", "y", "width", "height", "area", "rle"),
    "segment_fact": (
        "id", "event_id", "segment_id", "category_id", "label_source", "confidence", "run_id", "mask_no", "score",
        "detector_score", "mask_score", "present", "hidden",
    ),
    "class_fact": ("id", "event_id", "category_id", "name", "alias", "is_thing", "merged_into_id", "present"),
}  # fmt: skip

TABLES = (
    "category",
    "dataset",
    "feature_space",
    "proposer",
    "store_identity",
    "category_alias",
    "event",
    "image",
    "run",
    "feature_shard",
    "unit",
    "store_version",
    "outbox",
    "reconcile_run",
    "segment",
    "mask",
    "feature_gap",
    "segment_feature",
    "segment_fact",
    "class_fact",
    "class_match",
)  # in the order of their making


def upgrade() -> None:
    _names()
    _work()
    _indexes()
    _segments()
    _facts()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION retclip_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table, columns in SAYS.items():
        _refuse(table, "update", " OF " + ", ".join(columns))
    _refuse("event", "delete")


def _refuse(table: str, verb: str, of: str = "") -> None:
    """A trigger against one kind of change."""
    if op.get_bind().dialect.name == "postgresql":
        does = "FOR EACH ROW EXECUTE FUNCTION retclip_append_only()"
    else:
        does = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    op.execute(f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()}{of} ON {table} {does}")


def _table(name: str, *parts: Any) -> None:
    """A table whose rows carry a checksum (`store.sql.row_checksum`), and what finds those that lack it."""
    op.create_table(name, *parts, sa.Column("seal", sa.BigInteger(), nullable=True))
    empty = sa.text("seal IS NULL")
    op.create_index(f"ix_{name}_unsealed", name, ["seal"], sqlite_where=empty, postgresql_where=empty)


def _names() -> None:
    """What others refer to: classes, data sets, feature spaces, proposers, the store itself."""
    _table(
        "category",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("is_thing", sa.Boolean(), nullable=True),
        sa.Column("merged_into_id", KEY, nullable=True),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.CheckConstraint("merged_into_id IS NULL OR merged_into_id <> id", name=op.f("ck_category_no_self_merge")),
        sa.ForeignKeyConstraint(["merged_into_id"], ["category.id"], name=op.f("fk_category_merged_into_id_category")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
        sa.UniqueConstraint("name_key", name=op.f("uq_category_name_key")),
    )
    _table(
        "dataset",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("name", name=op.f("uq_dataset_name")),
    )
    _table(
        "feature_space",
        sa.Column("id", KEY, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("backbone", sa.String(length=120), nullable=False),
        sa.Column("weights", sa.String(length=64), nullable=False),
        sa.Column("preprocessing", sa.Text(), nullable=False),
        sa.Column("pooling", sa.String(length=120), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.CheckConstraint("dim BETWEEN 1 AND 65536", name=op.f("ck_feature_space_dim")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_space")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_feature_space_fingerprint")),
    )
    _table(
        "proposer",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposer")),
        sa.UniqueConstraint("name", name=op.f("uq_proposer_name")),
    )
    _table(
        "store_identity",
        sa.Column("id", KEY, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_identity")),
        sa.UniqueConstraint("uuid", name=op.f("uq_store_identity_uuid")),
    )
    _table(
        "category_alias",
        sa.Column("id", KEY, nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("alias", sa.String(length=200), nullable=False),
        sa.Column("alias_key", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.id"], name=op.f("fk_category_alias_category_id_category"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category_alias")),
        sa.UniqueConstraint("alias_key", name=op.f("uq_category_alias_alias_key")),
    )
    op.create_index(op.f("ix_category_alias_category_id"), "category_alias", ["category_id"], unique=False)


def _work() -> None:
    """Events, photos, runs and their units, shards of the archive."""
    _table(
        "event",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("category_id", KEY, nullable=True),
        sa.Column("undoes", KEY, nullable=True),
        sa.CheckConstraint("(undoes IS NULL) = (action <> 'undo')", name=op.f("ck_event_undoes")),
        sa.CheckConstraint(
            f"action IN ({ACTIONS})",
            name=op.f("ck_event_action"),
        ),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_event_category_id_category")),
        sa.ForeignKeyConstraint(["undoes"], ["event.id"], name=op.f("fk_event_undoes_event")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("undoes", name=op.f("uq_event_undoes")),
    )
    op.create_index(op.f("ix_event_category_id"), "event", ["category_id"], unique=False)
    _table(
        "image",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", KEY, nullable=False),
        sa.Column("external_id", sa.String(length=256), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("state BETWEEN 1 AND 3", name=op.f("ck_image_state")),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("ck_image_size")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_image_dataset_id_dataset")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint("sha256", name=op.f("uq_image_sha256")),
    )
    op.create_index(op.f("ix_image_dataset_id"), "image", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_image_external_id"), "image", ["external_id"], unique=False)
    op.create_index(
        "ix_image_not_active",
        "image",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state <> 1"),
        postgresql_where=sa.text("state <> 1"),
    )
    _table(
        "run",
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("dataset_id", KEY, nullable=False),
        sa.Column("proposer_id", KEY, nullable=False),
        sa.Column("proposer_version", sa.String(length=64), nullable=False),
        sa.Column("proposer_settings", JSON, nullable=False),
        sa.Column("components", JSON, nullable=True),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("config", JSON, nullable=False),
        sa.Column("program", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("event_id", KEY, nullable=True),
        sa.CheckConstraint("state IN ('running', 'finished', 'interrupted', 'failed')", name=op.f("ck_run_state")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_run_dataset_id_dataset")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_run_event_id_event")),
        sa.ForeignKeyConstraint(["proposer_id"], ["proposer.id"], name=op.f("fk_run_proposer_id_proposer")),
        sa.ForeignKeyConstraint(["space_id"], ["feature_space.id"], name=op.f("fk_run_space_id_feature_space")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_event_id"), "run", ["event_id"], unique=False)
    _table(
        "feature_shard",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.CheckConstraint("row_count > 0", name=op.f("ck_feature_shard_rows")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_feature_shard_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_shard")),
        sa.UniqueConstraint("sha256", name=op.f("uq_feature_shard_sha256")),
    )
    _table(
        "unit",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("image_id", KEY, nullable=True),
        sa.Column("classes", JSON, nullable=False),
        sa.Column("shown", JSON, nullable=True),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=256), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("owner", sa.String(length=300), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("begun", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("state IN ('leased', 'finished', 'failed')", name=op.f("ck_unit_state")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_unit_image_id_image"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_unit_run_id_run")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_unit")),
    )
    op.create_index(op.f("ix_unit_image_id"), "unit", ["image_id"], unique=False)
    op.create_index(op.f("ix_unit_run_id"), "unit", ["run_id"], unique=False)


def _indexes() -> None:
    """Vector indexes, and what they must follow."""
    _table(
        "store_version",
        sa.Column("id", KEY, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("index_name", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("home", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "state IN ('building', 'active', 'retiring', 'dropped')", name=op.f("ck_store_version_state")
        ),
        sa.ForeignKeyConstraint(
            ["space_id"], ["feature_space.id"], name=op.f("fk_store_version_space_id_feature_space")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_version")),
        sa.UniqueConstraint("index_name", name=op.f("uq_store_version_index_name")),
        sa.UniqueConstraint("space_id", "number", name=op.f("uq_store_version_space_id_number")),
    )
    op.create_index(
        "uq_store_version_one_active",
        "store_version",
        ["space_id"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("version_id", KEY, nullable=False),
        sa.Column("segment_ids", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["store_version.id"], name=op.f("fk_outbox_version_id_store_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "reconcile_run",
        sa.Column("id", KEY, nullable=False),
        sa.Column("version_id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("orphan", sa.Integer(), nullable=False),
        sa.Column("stale", sa.Integer(), nullable=False),
        sa.Column("damaged", sa.Integer(), nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["store_version.id"], name=op.f("fk_reconcile_run_version_id_store_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconcile_run")),
    )


def _segments() -> None:
    """Segments, their masks and vectors."""
    _table(
        "segment",
        sa.Column("id", KEY, nullable=False),
        sa.Column("point_id", UUID, nullable=False),
        sa.Column("image_id", KEY, nullable=False),
        sa.Column("proposer_id", KEY, nullable=False),
        sa.Column("prompt", sa.String(length=200), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("label_source", sa.String(length=16), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("labelled_by", sa.String(length=120), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("mask_no", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("detector_score", sa.Double(), nullable=True),
        sa.Column("mask_score", sa.Double(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "label_source IN ('annotation', 'detector', 'assigned', 'person')", name=op.f("ck_segment_label_source")
        ),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_segment_confidence")),
        sa.CheckConstraint("detector_score BETWEEN 0 AND 1", name=op.f("ck_segment_detector_score")),
        sa.CheckConstraint("mask_score BETWEEN 0 AND 1", name=op.f("ck_segment_mask_score")),
        sa.CheckConstraint("status BETWEEN 0 AND 2", name=op.f("ck_segment_status")),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_segment_category_id_category")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_segment_image_id_image"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["proposer_id"], ["proposer.id"], name=op.f("fk_segment_proposer_id_proposer")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_segment_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint("image_id", "proposer_id", "prompt", "ordinal", name="slot"),
        sa.UniqueConstraint("point_id", name=op.f("uq_segment_point_id")),
    )
    op.create_index("ix_segment_category_id_status", "segment", ["category_id", "status"], unique=False)
    op.create_index(op.f("ix_segment_run_id"), "segment", ["run_id"], unique=False)
    _table(
        "mask",
        sa.Column("segment_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("x", sa.Integer(), nullable=False),
        sa.Column("y", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("area", sa.Integer(), nullable=False),
        sa.Column("rle", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("area > 0 AND width > 0 AND height > 0 AND x >= 0 AND y >= 0", name=op.f("ck_mask_box")),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_mask_segment_id_segment"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("segment_id", "number", name=op.f("pk_mask")),
    )
    _table(
        "feature_gap",
        sa.Column("segment_id", KEY, autoincrement=False, nullable=False),
        sa.Column("mask_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.CheckConstraint("reason IN ('mask', 'photo')", name=op.f("ck_feature_gap_reason")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_feature_gap_run_id_run")),
        sa.ForeignKeyConstraint(
            ["segment_id", "mask_no"],
            ["mask.segment_id", "mask.number"],
            name="fk_feature_gap_mask",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["space_id"], ["feature_space.id"], name=op.f("fk_feature_gap_space_id_feature_space")),
        sa.PrimaryKeyConstraint("segment_id", "mask_no", "space_id", name=op.f("pk_feature_gap")),
    )
    _table(
        "segment_feature",
        sa.Column("segment_id", KEY, autoincrement=False, nullable=False),
        sa.Column("mask_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("shard_id", KEY, nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("crc32", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["segment_id", "mask_no"],
            ["mask.segment_id", "mask.number"],
            name="fk_segment_feature_mask",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["shard_id"], ["feature_shard.id"], name=op.f("fk_segment_feature_shard_id_feature_shard")
        ),
        sa.ForeignKeyConstraint(
            ["space_id"], ["feature_space.id"], name=op.f("fk_segment_feature_space_id_feature_space")
        ),
        sa.PrimaryKeyConstraint("segment_id", "mask_no", "space_id", name=op.f("pk_segment_feature")),
    )
    op.create_index(op.f("ix_segment_feature_shard_id"), "segment_feature", ["shard_id"], unique=False)


def _facts() -> None:
    """What is only ever said, never changed; and decisions about names."""
    _table(
        "segment_fact",
        sa.Column("id", KEY, nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("segment_id", KEY, nullable=False),
        sa.Column("category_id", KEY, nullable=True),
        sa.Column("label_source", sa.String(length=16), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("run_id", KEY, nullable=True),
        sa.Column("mask_no", sa.Integer(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("detector_score", sa.Double(), nullable=True),
        sa.Column("mask_score", sa.Double(), nullable=True),
        sa.Column("present", sa.Boolean(), nullable=True),
        sa.Column("hidden", sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            "label_source IN ('annotation', 'detector', 'assigned', 'person')",
            name=op.f("ck_segment_fact_label_source"),
        ),
        sa.CheckConstraint("(category_id IS NULL) = (label_source IS NULL)", name=op.f("ck_segment_fact_label")),
        sa.CheckConstraint("(mask_no IS NULL) = (run_id IS NULL)", name=op.f("ck_segment_fact_mask")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_segment_fact_confidence")),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_segment_fact_category_id_category")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_segment_fact_event_id_event")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_segment_fact_run_id_run")),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_segment_fact_segment_id_segment"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment_fact")),
    )
    op.create_index(op.f("ix_segment_fact_event_id"), "segment_fact", ["event_id"], unique=False)
    op.create_index(op.f("ix_segment_fact_segment_id"), "segment_fact", ["segment_id"], unique=False)
    _table(
        "class_fact",
        sa.Column("id", KEY, nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("alias", sa.String(length=200), nullable=True),
        sa.Column("is_thing", sa.Boolean(), nullable=True),
        sa.Column("merged_into_id", KEY, nullable=True),
        sa.Column("present", sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            "merged_into_id IS NULL OR merged_into_id <> category_id", name=op.f("ck_class_fact_no_self_merge")
        ),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_class_fact_category_id_category")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_class_fact_event_id_event")),
        sa.ForeignKeyConstraint(
            ["merged_into_id"], ["category.id"], name=op.f("fk_class_fact_merged_into_id_category")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_fact")),
    )
    op.create_index(op.f("ix_class_fact_category_id"), "class_fact", ["category_id"], unique=False)
    op.create_index(op.f("ix_class_fact_event_id"), "class_fact", ["event_id"], unique=False)
    _table(
        "class_match",
        sa.Column("id", KEY, nullable=False),
        sa.Column("query", sa.String(length=200), nullable=False),
        sa.Column("query_key", sa.String(length=200), nullable=False),
        sa.Column("matched", sa.String(length=200), nullable=False),
        sa.Column("dataset", sa.String(length=120), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.Column("encoder", sa.String(length=64), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=120), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run_id", KEY, nullable=True),
        sa.Column("event_id", KEY, nullable=True),
        sa.Column("supersedes_id", KEY, nullable=True),
        sa.CheckConstraint("decision IN ('auto', 'accepted', 'rejected')", name=op.f("ck_class_match_decision")),
        sa.CheckConstraint("how = 'missing' OR matched <> ''", name=op.f("ck_class_match_matched")),
        sa.CheckConstraint("how IN ('exact', 'synonym', 'text', 'map', 'missing')", name=op.f("ck_class_match_how")),
        sa.CheckConstraint(
            "similarity BETWEEN -1 AND 1 AND threshold BETWEEN -1 AND 1", name=op.f("ck_class_match_cosines")
        ),
        sa.CheckConstraint("supersedes_id IS NULL OR supersedes_id <> id", name=op.f("ck_class_match_no_self")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_class_match_event_id_event")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_class_match_run_id_run")),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["class_match.id"], name=op.f("fk_class_match_supersedes_id_class_match")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_match")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_class_match_supersedes_id")),
    )
    op.create_index(op.f("ix_class_match_query_key"), "class_match", ["query_key"], unique=False)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION retclip_append_only")
