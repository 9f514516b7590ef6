"""The catalog: images, classes, segments, labels, runs, the ledger, shards, index versions, outbox and events.

Revision 0001. Self-contained on purpose: later changes of `store.tables` must not change what this once did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
UUID = sa.Uuid().with_variant(sa.LargeBinary(16), "sqlite")

# Events are only ever added: the database itself refuses to change or delete one.
EVENT_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER event_no_{verb.lower()} BEFORE {verb} ON event "
        "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION retclip_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$",
        "CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON event "
        "FOR EACH ROW EXECUTE FUNCTION retclip_event_is_append_only()",
    ],
}


def upgrade() -> None:
    _classes_and_names()
    _images_and_runs()
    _indexes()
    _segments()
    for statement in EVENT_TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def _classes_and_names() -> None:
    """What others refer to: classes, data sets, feature spaces, proposers, the store itself; and the events."""
    op.create_table(
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
    op.create_table(
        "dataset",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("name", name=op.f("uq_dataset_name")),
    )
    op.create_table(
        "event",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("before", JSON, nullable=False),
        sa.Column("after", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_table(
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
    op.create_table(
        "proposer",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposer")),
        sa.UniqueConstraint("name", name=op.f("uq_proposer_name")),
    )
    op.create_table(
        "store_identity",
        sa.Column("id", KEY, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_identity")),
        sa.UniqueConstraint("uuid", name=op.f("uq_store_identity_uuid")),
    )
    op.create_table(
        "category_alias",
        sa.Column("id", KEY, nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("alias", sa.String(length=200), nullable=False),
        sa.Column("alias_key", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.id"], name=op.f("fk_category_alias_category_id_category"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category_alias")),
        sa.UniqueConstraint("alias_key", name=op.f("uq_category_alias_alias_key")),
    )
    with op.batch_alter_table("category_alias", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_category_alias_category_id"), ["category_id"], unique=False)


def _images_and_runs() -> None:
    """What was read, and by which run."""
    op.create_table(
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
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_image_dataset_id"), ["dataset_id"], unique=False)
        batch_op.create_index(
            "ix_image_not_active",
            ["state"],
            unique=False,
            sqlite_where=sa.text("state <> 1"),
            postgresql_where=sa.text("state <> 1"),
        )

    op.create_table(
        "run",
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("dataset_id", KEY, nullable=False),
        sa.Column("proposer_id", KEY, nullable=False),
        sa.Column("proposer_version", sa.String(length=64), nullable=False),
        sa.Column("proposer_settings", JSON, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("config", JSON, nullable=False),
        sa.Column("program", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('running', 'finished', 'interrupted', 'failed')", name=op.f("ck_run_state")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_run_dataset_id_dataset")),
        sa.ForeignKeyConstraint(["proposer_id"], ["proposer.id"], name=op.f("fk_run_proposer_id_proposer")),
        sa.ForeignKeyConstraint(["space_id"], ["feature_space.id"], name=op.f("fk_run_space_id_feature_space")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )


def _indexes() -> None:
    """The versions of each space's index, the shards that it is made of, and what it has still to follow."""
    op.create_table(
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
    with op.batch_alter_table("store_version", schema=None) as batch_op:
        batch_op.create_index(
            "uq_store_version_one_active",
            ["space_id"],
            unique=True,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )

    op.create_table(
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
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_pending",
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
    """What was found in the images, its ledger, its labels and vectors."""
    op.create_table(
        "segment",
        sa.Column("id", KEY, nullable=False),
        sa.Column("point_id", UUID, nullable=False),
        sa.Column("image_id", KEY, nullable=False),
        sa.Column("proposer_id", KEY, nullable=False),
        sa.Column("prompt", sa.String(length=200), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("x", sa.Integer(), nullable=False),
        sa.Column("y", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("area", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("rle", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.CheckConstraint("area > 0 AND width > 0 AND height > 0 AND x >= 0 AND y >= 0", name=op.f("ck_segment_box")),
        sa.CheckConstraint("status BETWEEN 0 AND 2", name=op.f("ck_segment_status")),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_segment_category_id_category")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_segment_image_id_image"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["proposer_id"], ["proposer.id"], name=op.f("fk_segment_proposer_id_proposer")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_segment_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint("image_id", "proposer_id", "prompt", "ordinal", name="slot"),
        sa.UniqueConstraint("point_id", name=op.f("uq_segment_point_id")),
    )
    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.create_index("ix_segment_category_id_status", ["category_id", "status"], unique=False)
        batch_op.create_index(batch_op.f("ix_segment_run_id"), ["run_id"], unique=False)

    op.create_table(
        "unit",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("image_id", KEY, nullable=True),
        sa.Column("classes", JSON, nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=256), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('finished', 'failed')", name=op.f("ck_unit_state")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_unit_image_id_image"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_unit_run_id_run")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_unit")),
    )
    with op.batch_alter_table("unit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_unit_image_id"), ["image_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_unit_run_id"), ["run_id"], unique=False)

    op.create_table(
        "label",
        sa.Column("id", KEY, nullable=False),
        sa.Column("segment_id", KEY, nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("source IN ('annotation', 'detector', 'assigned', 'person')", name=op.f("ck_label_source")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_label_confidence")),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_label_category_id_category")),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_label_segment_id_segment"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
    )
    with op.batch_alter_table("label", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_label_segment_id"), ["segment_id"], unique=False)

    op.create_table(
        "segment_feature",
        sa.Column("segment_id", KEY, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("shard_id", KEY, nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("crc32", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_segment_feature_segment_id_segment"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["shard_id"], ["feature_shard.id"], name=op.f("fk_segment_feature_shard_id_feature_shard")
        ),
        sa.ForeignKeyConstraint(
            ["space_id"], ["feature_space.id"], name=op.f("fk_segment_feature_space_id_feature_space")
        ),
        sa.PrimaryKeyConstraint("segment_id", "space_id", name=op.f("pk_segment_feature")),
    )
    with op.batch_alter_table("segment_feature", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_segment_feature_shard_id"), ["shard_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("segment_feature", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_segment_feature_shard_id"))

    op.drop_table("segment_feature")
    with op.batch_alter_table("label", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_label_segment_id"))

    op.drop_table("label")
    with op.batch_alter_table("unit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_unit_image_id"))
        batch_op.drop_index(batch_op.f("ix_unit_run_id"))

    op.drop_table("unit")
    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_segment_run_id"))
        batch_op.drop_index("ix_segment_category_id_status")

    op.drop_table("segment")
    op.drop_table("reconcile_run")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_outbox_pending", sqlite_where=sa.text("done_at IS NULL"), postgresql_where=sa.text("done_at IS NULL")
        )

    op.drop_table("outbox")
    op.drop_table("feature_shard")
    with op.batch_alter_table("store_version", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_store_version_one_active",
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )

    op.drop_table("store_version")
    op.drop_table("run")
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_image_not_active", sqlite_where=sa.text("state <> 1"), postgresql_where=sa.text("state <> 1")
        )
        batch_op.drop_index(batch_op.f("ix_image_dataset_id"))

    op.drop_table("image")
    with op.batch_alter_table("category_alias", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_category_alias_category_id"))

    op.drop_table("category_alias")
    op.drop_table("store_identity")
    op.drop_table("proposer")
    op.drop_table("feature_space")
    op.drop_table("event")
    op.drop_table("dataset")
    op.drop_table("category")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION retclip_event_is_append_only")
