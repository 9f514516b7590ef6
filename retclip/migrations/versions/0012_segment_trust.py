"""How far the label of a stored segment is to be trusted, in each feature space.

Revision 0012. One table more, which begins empty: `retclip audit` fills it; nothing of what is stored changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _key(column: str, table: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_segment_trust_{column}_{table}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete=ondelete)


def upgrade() -> None:
    op.create_table(
        "segment_trust",
        sa.Column("segment_id", KEY, autoincrement=False, nullable=False),
        sa.Column("space_id", KEY, nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("rule", sa.SmallInteger(), nullable=False),
        sa.Column("trust", sa.Double(), nullable=True),
        sa.Column("own_distance", sa.Double(), nullable=True),
        sa.Column("other_distance", sa.Double(), nullable=True),
        sa.Column("suggested_id", KEY, nullable=True),
        sa.Column("seal", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("trust BETWEEN 0 AND 1", name=op.f("ck_segment_trust_trust")),
        _key("segment_id", "segment", ondelete="CASCADE"),
        _key("space_id", "feature_space"),
        _key("category_id", "category"),
        _key("suggested_id", "category"),
        sa.PrimaryKeyConstraint("segment_id", "space_id", name=op.f("pk_segment_trust")),
    )
    empty = sa.text("seal IS NULL")
    op.create_index("ix_segment_trust_unsealed", "segment_trust", ["seal"], sqlite_where=empty, postgresql_where=empty)


def downgrade() -> None:
    op.drop_table("segment_trust")
