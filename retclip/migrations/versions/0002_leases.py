"""Leases: a unit of the ledger may be in somebody's hands.

Revision 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATE = "ck_unit_state"


def upgrade() -> None:
    with op.batch_alter_table("unit") as table:
        table.add_column(sa.Column("owner", sa.String(length=300), nullable=True))
        table.add_column(sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True))
        table.drop_constraint(op.f(STATE), type_="check")
        table.create_check_constraint(op.f(STATE), "state IN ('leased', 'finished', 'failed')")


def downgrade() -> None:
    op.execute("DELETE FROM unit WHERE state = 'leased'")
    with op.batch_alter_table("unit") as table:
        table.drop_constraint(op.f(STATE), type_="check")
        table.create_check_constraint(op.f(STATE), "state IN ('finished', 'failed')")
        table.drop_column("leased_until")
        table.drop_column("owner")
