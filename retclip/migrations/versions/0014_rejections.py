"""Negative examples: facts that a segment is not of a class, and the word of the event that says so.

Revision 0014. One table more, which begins empty; nothing of what is stored changes. Down: what was rejected is
forgotten, and its events are called relabelling, a word that the program before knows; its check of the chain names
such an event as changed, as it is.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = "rejection_fact"
SAYS = "id, event_id, segment_id, category_id, holds"
WORD, CHECK = "'segment.reject'", "ck_event_action"


def _key(column: str, table: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{NAME}_{column}_{table}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete=ondelete)


def upgrade() -> None:
    _event_words(add=True)
    op.create_table(
        NAME,
        sa.Column("id", KEY, nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("segment_id", KEY, nullable=False),
        sa.Column("category_id", KEY, nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.Column("seal", sa.BigInteger(), nullable=True),
        _key("event_id", "event"),
        _key("segment_id", "segment", ondelete="CASCADE"),
        _key("category_id", "category"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{NAME}")),
    )
    for column in ("event_id", "segment_id", "category_id"):
        op.create_index(op.f(f"ix_{NAME}_{column}"), NAME, [column])
    empty = sa.text("seal IS NULL")
    op.create_index(f"ix_{NAME}_unsealed", NAME, ["seal"], sqlite_where=empty, postgresql_where=empty)
    if _on_sqlite():
        does = f"BEGIN SELECT RAISE(ABORT, '{NAME} is append-only'); END"
    else:
        does = "FOR EACH ROW EXECUTE FUNCTION retclip_append_only()"
    op.execute(f"CREATE TRIGGER {NAME}_no_update BEFORE UPDATE OF {SAYS} ON {NAME} {does}")


def downgrade() -> None:
    op.drop_table(NAME)
    _event_words(add=False)


def _event_words(add: bool) -> None:
    """Let events have one word more, or one less. On SQLite the table is rebuilt; its triggers are made again as they
    were."""
    triggers = _triggers()
    for name in triggers:
        op.execute(f"DROP TRIGGER {name}" + ("" if _on_sqlite() else " ON event"))
    if not add:
        op.execute("UPDATE event SET action = 'segment.relabel', seal = NULL WHERE action = 'segment.reject'")
    words = sorted({*_words(), WORD} if add else {*_words()} - {WORD})
    with op.batch_alter_table("event", recreate="auto") as table:
        table.drop_constraint(op.f(CHECK), type_="check")
        table.create_check_constraint(op.f(CHECK), f"action IN ({', '.join(words)})")
    for statement in triggers.values():
        op.execute(statement)


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _triggers() -> dict[str, str]:
    """The statements that make the table's triggers, by name."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'event'"
    if not _on_sqlite():
        query = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'event'::regclass"
        query += " AND NOT tgisinternal"
    return {str(name): str(statement) for name, statement in op.get_bind().execute(sa.text(query))}


def _words() -> list[str]:
    """The words that events may have, quoted, as the check in the database says them."""
    checks = {str(one["name"]): one["sqltext"] for one in sa.inspect(op.get_bind()).get_check_constraints("event")}
    return re.findall(r"'[a-z._]+'", checks[CHECK])
