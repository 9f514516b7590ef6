"""Which classes a unit's record shows, apart from those that it says are absent; and images found by name.

Revision 0007. Self-contained on purpose: later changes of `store.sql.tables` must not change what this once did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("unit", sa.Column("shown", JSON, nullable=True))  # empty: nobody wrote it down
    op.create_index(op.f("ix_image_external_id"), "image", ["external_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_image_external_id"), table_name="image")
    with op.batch_alter_table("unit") as batch:
        batch.drop_column("shown")
