"""Traces: the evidence of answers, kept for a while, and which stored segments voted in each.

Revision 0015. Two tables more, which begin empty; nothing of what is stored changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "trace",
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("image_sha256", sa.String(length=64), nullable=False),
        sa.Column("image_uri", sa.Text(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trace")),
    )
    op.create_index(op.f("ix_trace_expires_at"), "trace", ["expires_at"])
    op.create_table(
        "trace_voter",
        sa.Column("trace_id", KEY, autoincrement=False, nullable=False),
        sa.Column("segment_id", KEY, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["trace.id"], name=op.f("fk_trace_voter_trace_id_trace"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_trace_voter_segment_id_segment"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trace_id", "segment_id", name=op.f("pk_trace_voter")),
    )
    op.create_index(op.f("ix_trace_voter_segment_id"), "trace_voter", ["segment_id"])


def downgrade() -> None:
    op.drop_table("trace_voter")
    op.drop_table("trace")
