"""Decisions about class names: what stands for a name that somebody asked for, who said so, and what came of it.

Revision 0004. Self-contained on purpose: later changes of `store.sql.tables` must not change what this once did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
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
        sa.CheckConstraint("how IN ('exact', 'synonym', 'text', 'map', 'missing')", name=op.f("ck_class_match_how")),
        sa.CheckConstraint("decision IN ('auto', 'accepted', 'rejected')", name=op.f("ck_class_match_decision")),
        sa.CheckConstraint(
            "similarity BETWEEN -1 AND 1 AND threshold BETWEEN -1 AND 1", name=op.f("ck_class_match_cosines")
        ),
        sa.CheckConstraint("how = 'missing' OR matched <> ''", name=op.f("ck_class_match_matched")),
        sa.CheckConstraint("supersedes_id IS NULL OR supersedes_id <> id", name=op.f("ck_class_match_no_self")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_class_match_run_id_run")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_class_match_event_id_event")),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["class_match.id"], name=op.f("fk_class_match_supersedes_id_class_match")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_class_match")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_class_match_supersedes_id")),
    )
    with op.batch_alter_table("class_match", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_class_match_query_key"), ["query_key"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("class_match", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_class_match_query_key"))

    op.drop_table("class_match")
