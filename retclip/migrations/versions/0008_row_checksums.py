"""A checksum for every row that decides something (`store.row_checksum`).

Revision 0008. Self-contained on purpose: later changes of the tables must not change what this once did. The column is
left empty here: whoever runs migrations fills what is empty, in the same transaction. A later migration that changes a
column of these tables, or what a row of them says, must empty `seal` in the rows that it touches.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    "category", "category_alias", "class_match", "dataset", "event", "feature_gap", "feature_shard", "feature_space",
    "image", "label", "proposer", "replaced_segment", "run", "segment", "segment_feature", "store_identity",
    "store_version", "unit",
)  # fmt: skip
SAYS = ("id", "at", "actor", "action", "target", "before", "after")  # of an event: all but its checksum


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("seal", sa.BigInteger(), nullable=True))
        empty = sa.text("seal IS NULL")
        op.create_index(f"ix_{table}_unsealed", table, ["seal"], sqlite_where=empty, postgresql_where=empty)
    _guard_events(", ".join(f'"{name}"' for name in SAYS))


def downgrade() -> None:
    _guard_events("")
    for table in TABLES:
        op.drop_index(f"ix_{table}_unsealed", table_name=table)
        op.execute(f"ALTER TABLE {table} DROP COLUMN seal")  # not rebuilt: SQLite's triggers would go with the table


def _guard_events(columns: str) -> None:
    """Events are only ever added: the database itself refuses to delete one, or to change these columns ("" = any)."""
    of = f"OF {columns} " if columns else ""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER event_append_only ON event")
        op.execute(
            f"CREATE TRIGGER event_append_only BEFORE UPDATE {of}OR DELETE ON event "
            "FOR EACH ROW EXECUTE FUNCTION retclip_event_is_append_only()"
        )
        return
    op.execute("DROP TRIGGER event_no_update")
    op.execute(
        f"CREATE TRIGGER event_no_update BEFORE UPDATE {of}ON event "
        "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
    )
