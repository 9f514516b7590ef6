"""Which leased units are being worked on in the owner's own process, so that only they are blamed for its death.

Revision 0009. Self-contained on purpose: later changes of `store.sql.tables` must not change what this once did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("unit", sa.Column("begun", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE unit SET seal = NULL")


def downgrade() -> None:
    op.execute("ALTER TABLE unit DROP COLUMN begun")
    op.execute("UPDATE unit SET seal = NULL")
