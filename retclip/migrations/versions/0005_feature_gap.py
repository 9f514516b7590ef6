"""Segments that are let go without a vector in a feature space, and why.

Revision 0005. Self-contained on purpose: later changes of `store.tables` must not change what this once did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "feature_gap",
        sa.Column("segment_id", KEY, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.CheckConstraint("reason IN ('mask', 'photo')", name=op.f("ck_feature_gap_reason")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_feature_gap_run_id_run")),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_feature_gap_segment_id_segment"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["space_id"], ["feature_space.id"], name=op.f("fk_feature_gap_space_id_feature_space")),
        sa.PrimaryKeyConstraint("segment_id", "space_id", name=op.f("pk_feature_gap")),
    )


def downgrade() -> None:
    op.drop_table("feature_gap")
