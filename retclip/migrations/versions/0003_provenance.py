"""Provenance of a segment: the detector's and the mask model's scores; of a run: who worked with which weights.

Revision 0003. Rows that were there keep NULL: nobody wrote it down then. Columns are added in place: on SQLite, a batch
that rebuilds a table would leave its CHECKs behind, and it would copy every segment.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SCORES = ("detector_score", "mask_score")


def upgrade() -> None:
    number = sa.Double().compile(dialect=op.get_bind().dialect)
    for name in SCORES:
        check = f"CONSTRAINT ck_segment_{name} CHECK ({name} BETWEEN 0 AND 1)"
        op.execute(f"ALTER TABLE segment ADD COLUMN {name} {number} {check}")
    op.add_column("run", sa.Column("components", JSON, nullable=True))


def downgrade() -> None:
    for name in SCORES:
        op.execute(f"ALTER TABLE segment DROP COLUMN {name}")
    op.execute("ALTER TABLE run DROP COLUMN components")
