"""Whose photo it is: author, licence and address on the web of a stored image.

Revision 0011. One table more; nothing of what is stored changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "image_credit",
        sa.Column("image_id", KEY, autoincrement=False, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("seal", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_image_credit_image_id_image"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_credit")),
    )
    empty = sa.text("seal IS NULL")
    op.create_index("ix_image_credit_unsealed", "image_credit", ["seal"], sqlite_where=empty, postgresql_where=empty)


def downgrade() -> None:
    op.drop_table("image_credit")
