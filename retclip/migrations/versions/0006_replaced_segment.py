"""What segments were before an addition touched them, for its undo.

Revision 0006. Self-contained on purpose: later changes of `store.sql.tables` must not change what this once did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    numbers = ("x", "y", "width", "height", "area")
    op.create_table(
        "replaced_segment",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("segment_id", KEY, nullable=False),
        sa.Column("redrawn", sa.Boolean(), nullable=False),
        sa.Column("emptied", sa.Boolean(), nullable=False),
        sa.Column("was_run_id", KEY, nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in numbers),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("detector_score", sa.Double(), nullable=True),
        sa.Column("mask_score", sa.Double(), nullable=True),
        sa.Column("rle", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("vectors", JSON, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_replaced_segment_run_id_run")),
        sa.ForeignKeyConstraint(["was_run_id"], ["run.id"], name=op.f("fk_replaced_segment_was_run_id_run")),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_replaced_segment_segment_id_segment"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replaced_segment")),
        sa.UniqueConstraint("run_id", "segment_id", name=op.f("uq_replaced_segment_run_id_segment_id")),
    )
    for column in ("segment_id", "was_run_id"):
        op.create_index(op.f(f"ix_replaced_segment_{column}"), "replaced_segment", [column])


def downgrade() -> None:
    op.drop_table("replaced_segment")
