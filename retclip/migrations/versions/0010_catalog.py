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
    "category_alias",
    "dataset",
    "feature_space",
    "proposer",
    "store_identity",
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
    _classes()
    _names()
    _events_and_photos()
    _runs()
    _units()
    _indexes()
    _segments()
    _vectors()
    _facts()
    _decisions()
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
    _index(f"ix_{name}_unsealed", name, ["seal"], "seal IS NULL")


def _index(name: str, table: str, columns: list[str], where: str, unique: bool = False) -> None:
    """An index of the rows that a condition selects."""
    rows = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=rows, postgresql_where=rows)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _check(name: str, rule: str) -> sa.CheckConstraint:
    """A rule that every row keeps. name: of its table, and its own."""
    return sa.CheckConstraint(rule, name=op.f(f"ck_{name}"))


def _refers(table: str, column: str, other: str, cascade: bool = False) -> sa.ForeignKeyConstraint:
    """A column that holds the id of a row of another table. cascade: whether it goes with that row."""
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="CASCADE" if cascade else None)


def _of_mask(table: str) -> sa.ForeignKeyConstraint:
    """Something of one mask of a segment, which goes with it."""
    columns, mask = ["segment_id", "mask_no"], ["mask.segment_id", "mask.number"]
    return sa.ForeignKeyConstraint(columns, mask, name=f"fk_{table}_mask", ondelete="CASCADE")


def _classes() -> None:
    """Classes and the other names that mean them."""
    _table(
        "category",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("is_thing", sa.Boolean(), nullable=True),
        sa.Column("merged_into_id", KEY, nullable=True),
        sa.Column("retired_at", MOMENT, nullable=True),
        _check("category_no_self_merge", "merged_into_id IS NULL OR merged_into_id <> id"),
        _refers("category", "merged_into_id", "category"),
        _key("category", "id"),
        _unique("category", "name_key"),
    )
    _table(
        "category_alias",
        sa.Column("id", KEY, nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("alias", sa.String(length=200), nullable=False),
        sa.Column("alias_key", sa.String(length=200), nullable=False),
        _refers("category_alias", "category_id", "category", cascade=True),
        _key("category_alias", "id"),
        _unique("category_alias", "alias_key"),
    )
    op.create_index(op.f("ix_category_alias_category_id"), "category_alias", ["category_id"])


def _names() -> None:
    """What else others refer to: data sets, feature spaces, proposers, the store itself."""
    _table(
        "dataset",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("dataset", "id"),
        _unique("dataset", "name"),
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
        _check("feature_space_dim", "dim BETWEEN 1 AND 65536"),
        _key("feature_space", "id"),
        _unique("feature_space", "fingerprint"),
    )
    _table(
        "proposer",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        _key("proposer", "id"),
        _unique("proposer", "name"),
    )
    _table(
        "store_identity",
        sa.Column("id", KEY, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _key("store_identity", "id"),
        _unique("store_identity", "uuid"),
    )


def _events_and_photos() -> None:
    """Who changed something, and the photos."""
    _table(
        "event",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("category_id", KEY, nullable=True),
        sa.Column("undoes", KEY, nullable=True),
        _check("event_undoes", "(undoes IS NULL) = (action <> 'undo')"),
        _check("event_action", f"action IN ({ACTIONS})"),
        _refers("event", "category_id", "category"),
        _refers("event", "undoes", "event"),
        _key("event", "id"),
        _unique("event", "undoes"),
    )
    op.create_index(op.f("ix_event_category_id"), "event", ["category_id"])
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
        _check("image_state", "state BETWEEN 1 AND 3"),
        _check("image_size", "width > 0 AND height > 0"),
        _refers("image", "dataset_id", "dataset"),
        _key("image", "id"),
        _unique("image", "sha256"),
    )
    op.create_index(op.f("ix_image_dataset_id"), "image", ["dataset_id"])
    op.create_index(op.f("ix_image_external_id"), "image", ["external_id"])
    _index("ix_image_not_active", "image", ["state"], where="state <> 1")


def _runs() -> None:
    """Runs, and the shards that they wrote."""
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
        _check("run_state", "state IN ('running', 'finished', 'interrupted', 'failed')"),
        _refers("run", "dataset_id", "dataset"),
        _refers("run", "event_id", "event"),
        _refers("run", "proposer_id", "proposer"),
        _refers("run", "space_id", "feature_space"),
        _key("run", "id"),
    )
    op.create_index(op.f("ix_run_event_id"), "run", ["event_id"])
    _table(
        "feature_shard",
        sa.Column("id", KEY, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        _check("feature_shard_rows", "row_count > 0"),
        _refers("feature_shard", "run_id", "run"),
        _key("feature_shard", "id"),
        _unique("feature_shard", "sha256"),
    )


def _units() -> None:
    """What runs have to do, and have done: the ledger."""
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
        _check("unit_state", "state IN ('leased', 'finished', 'failed')"),
        _refers("unit", "image_id", "image", cascade=True),
        _refers("unit", "run_id", "run"),
        _key("unit", "key"),
    )
    op.create_index(op.f("ix_unit_image_id"), "unit", ["image_id"])
    op.create_index(op.f("ix_unit_run_id"), "unit", ["run_id"])


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
        _check("store_version_state", "state IN ('building', 'active', 'retiring', 'dropped')"),
        _refers("store_version", "space_id", "feature_space"),
        _key("store_version", "id"),
        _unique("store_version", "index_name"),
        _unique("store_version", "space_id", "number"),
    )
    _index("uq_store_version_one_active", "store_version", ["space_id"], where="state = 'active'", unique=True)
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("version_id", KEY, nullable=False),
        sa.Column("segment_ids", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        _refers("outbox", "version_id", "store_version"),
        _key("outbox", "id"),
    )
    _index("ix_outbox_pending", "outbox", ["id"], where="done_at IS NULL")
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
        _refers("reconcile_run", "version_id", "store_version"),
        _key("reconcile_run", "id"),
    )


def _segments() -> None:
    """Segments and their masks."""
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
        _check("segment_label_source", "label_source IN ('annotation', 'detector', 'assigned', 'person')"),
        _check("segment_confidence", "confidence BETWEEN 0 AND 1"),
        _check("segment_detector_score", "detector_score BETWEEN 0 AND 1"),
        _check("segment_mask_score", "mask_score BETWEEN 0 AND 1"),
        _check("segment_status", "status BETWEEN 0 AND 2"),
        _refers("segment", "category_id", "category"),
        _refers("segment", "image_id", "image", cascade=True),
        _refers("segment", "proposer_id", "proposer"),
        _refers("segment", "run_id", "run"),
        _key("segment", "id"),
        sa.UniqueConstraint("image_id", "proposer_id", "prompt", "ordinal", name="slot"),
        _unique("segment", "point_id"),
    )
    op.create_index("ix_segment_category_id_status", "segment", ["category_id", "status"])
    op.create_index(op.f("ix_segment_run_id"), "segment", ["run_id"])
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
        _check("mask_box", "area > 0 AND width > 0 AND height > 0 AND x >= 0 AND y >= 0"),
        _refers("mask", "segment_id", "segment", cascade=True),
        _key("mask", "segment_id", "number"),
    )


def _vectors() -> None:
    """Where the vector of a mask lies in each space, or why there is none."""
    _table(
        "feature_gap",
        sa.Column("segment_id", KEY, autoincrement=False, nullable=False),
        sa.Column("mask_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        _check("feature_gap_reason", "reason IN ('mask', 'photo')"),
        _refers("feature_gap", "run_id", "run"),
        _of_mask("feature_gap"),
        _refers("feature_gap", "space_id", "feature_space"),
        _key("feature_gap", "segment_id", "mask_no", "space_id"),
    )
    _table(
        "segment_feature",
        sa.Column("segment_id", KEY, autoincrement=False, nullable=False),
        sa.Column("mask_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("shard_id", KEY, nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("crc32", KEY, nullable=False),
        _of_mask("segment_feature"),
        _refers("segment_feature", "shard_id", "feature_shard"),
        _refers("segment_feature", "space_id", "feature_space"),
        _key("segment_feature", "segment_id", "mask_no", "space_id"),
    )
    op.create_index(op.f("ix_segment_feature_shard_id"), "segment_feature", ["shard_id"])


def _facts() -> None:
    """What is only ever said, never changed."""
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
        _check("segment_fact_label_source", "label_source IN ('annotation', 'detector', 'assigned', 'person')"),
        _check("segment_fact_label", "(category_id IS NULL) = (label_source IS NULL)"),
        _check("segment_fact_mask", "(mask_no IS NULL) = (run_id IS NULL)"),
        _check("segment_fact_confidence", "confidence BETWEEN 0 AND 1"),
        _refers("segment_fact", "category_id", "category"),
        _refers("segment_fact", "event_id", "event"),
        _refers("segment_fact", "run_id", "run"),
        _refers("segment_fact", "segment_id", "segment", cascade=True),
        _key("segment_fact", "id"),
    )
    op.create_index(op.f("ix_segment_fact_event_id"), "segment_fact", ["event_id"])
    op.create_index(op.f("ix_segment_fact_segment_id"), "segment_fact", ["segment_id"])
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
        _check("class_fact_no_self_merge", "merged_into_id IS NULL OR merged_into_id <> category_id"),
        _refers("class_fact", "category_id", "category"),
        _refers("class_fact", "event_id", "event"),
        _refers("class_fact", "merged_into_id", "category"),
        _key("class_fact", "id"),
    )
    op.create_index(op.f("ix_class_fact_category_id"), "class_fact", ["category_id"])
    op.create_index(op.f("ix_class_fact_event_id"), "class_fact", ["event_id"])


def _decisions() -> None:
    """Which class stands for a name that was asked for."""
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
        _check("class_match_decision", "decision IN ('auto', 'accepted', 'rejected')"),
        _check("class_match_matched", "how = 'missing' OR matched <> ''"),
        _check("class_match_how", "how IN ('exact', 'synonym', 'text', 'map', 'missing')"),
        _check("class_match_cosines", "similarity BETWEEN -1 AND 1 AND threshold BETWEEN -1 AND 1"),
        _check("class_match_no_self", "supersedes_id IS NULL OR supersedes_id <> id"),
        _refers("class_match", "event_id", "event"),
        _refers("class_match", "run_id", "run"),
        _refers("class_match", "supersedes_id", "class_match"),
        _key("class_match", "id"),
        _unique("class_match", "supersedes_id"),
    )
    op.create_index(op.f("ix_class_match_query_key"), "class_match", ["query_key"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION retclip_append_only")
