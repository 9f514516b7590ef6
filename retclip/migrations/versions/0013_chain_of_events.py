"""The chain of hashes over events and facts, the reason of an event, and a person's word that a segment is retired.

Revision 0013. What is there already gets one link for each event, over its row and all its facts: from now on nobody
changes it unseen; whether somebody did before, only the checksums of rows can tell. Rows get new checksums for their
new columns; one that does not match its old checksum keeps it, so that `retclip doctor` names it as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from retclip.store.sql.columns import Moment
from retclip.store.sql.row_checksum import row_checksum
from retclip.store.sql.row_digest import row_bytes, rows_digest

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PAGE = 5000
ACTIONS = (
    "'build', 'class.add', 'class.fill', 'class.rename', 'class.alias', 'class.merge', 'class.remove', "
    "'segment.relabel', 'segment.quarantine', 'segment.release', {}'repair', 'undo'"
)
SAYS = {
    "event": "id, at, actor, action, target, category_id, undoes{}",
    "segment_fact": "id, event_id, segment_id, category_id, label_source, confidence, run_id, mask_no, score, "
    "detector_score, mask_score, present, hidden{}",
}
NEW = {"event": "reason", "segment_fact": "retired"}
LINK = ("number", "event_id", "adds_event", "segment_facts", "class_facts", "digest", "previous", "hash")


def upgrade() -> None:
    _event_column(new=True)
    op.add_column("segment_fact", sa.Column("retired", sa.Boolean(), nullable=True))
    for table in NEW:
        _reseal(table, new=True)
        _refuse_updates(table, f", {NEW[table]}")
    op.create_table(
        "chain_link",
        sa.Column("number", KEY, autoincrement=False, nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("adds_event", sa.Boolean(), nullable=False),
        sa.Column("segment_facts", sa.Text(), nullable=False),
        sa.Column("class_facts", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_chain_link_number")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_chain_link_event_id_event")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_chain_link")),
        sa.UniqueConstraint("hash", name=op.f("uq_chain_link_hash")),
    )
    op.create_index(op.f("ix_chain_link_event_id"), "chain_link", ["event_id"])
    empty = sa.text("seal IS NULL")
    op.create_index("ix_chain_link_unsealed", "chain_link", ["seal"], sqlite_where=empty, postgresql_where=empty)
    _link_events()
    _refuse("chain_link", "update", f" OF {', '.join(LINK)}")
    _refuse("chain_link", "delete")


def downgrade() -> None:
    op.drop_table("chain_link")
    for table in NEW:
        _allow(table, "update")
    for table in NEW:
        _reseal(table, new=False)
    op.execute("UPDATE segment_fact SET hidden = retired WHERE retired IS NOT NULL")  # see `_as_before`
    op.execute("UPDATE event SET action = 'segment.quarantine' WHERE action = 'segment.retire'")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_column("segment_fact", "retired")
    else:
        op.execute("ALTER TABLE segment_fact DROP COLUMN retired")  # no batch: nothing refers to the column
    _refuse_updates("segment_fact", "")
    _event_column(new=False)
    _refuse_updates("event", "")


def _event_column(new: bool) -> None:
    """Add the reason and the word for a retired segment, or take both back. On SQLite the table is rebuilt, and its
    triggers with it."""
    for verb in ("update", "delete"):
        _allow("event", verb)
    words = ACTIONS.format("'segment.retire', " if new else "")
    with op.batch_alter_table("event", copy_from=_event(not new), recreate="auto") as table:
        table.drop_constraint(op.f("ck_event_action"), type_="check")
        table.create_check_constraint(op.f("ck_event_action"), f"action IN ({words})")
        if new:
            table.add_column(sa.Column("reason", sa.Text(), nullable=False, server_default=""))
        else:
            table.drop_column("reason")
    _refuse("event", "delete")


def _event(new: bool) -> sa.Table:
    """The table as it is before a rebuild."""
    words = ACTIONS.format("'segment.retire', " if new else "")
    reason = [sa.Column("reason", sa.Text(), nullable=False, server_default="")] if new else []
    empty = sa.text("seal IS NULL")
    return sa.Table(
        "event",
        sa.MetaData(),
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("category_id", KEY, nullable=True),
        sa.Column("undoes", KEY, nullable=True),
        sa.Column("seal", sa.BigInteger(), nullable=True),
        *reason,
        sa.CheckConstraint("(undoes IS NULL) = (action <> 'undo')", name=op.f("ck_event_undoes")),
        sa.CheckConstraint(f"action IN ({words})", name=op.f("ck_event_action")),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_event_category_id_category")),
        sa.ForeignKeyConstraint(["undoes"], ["event.id"], name=op.f("fk_event_undoes_event")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("undoes", name=op.f("uq_event_undoes")),
        sa.Index("ix_event_category_id", "category_id"),
        sa.Index("ix_event_unsealed", "seal", sqlite_where=empty, postgresql_where=empty),
    )


def _refuse_updates(table: str, column: str) -> None:
    _allow(table, "update")
    _refuse(table, "update", f" OF {SAYS[table].format(column)}")


def _refuse(table: str, verb: str, of: str = "") -> None:
    """Make a trigger against one kind of change."""
    if op.get_bind().dialect.name == "postgresql":
        does = "FOR EACH ROW EXECUTE FUNCTION retclip_append_only()"
    else:
        does = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    op.execute(f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()}{of} ON {table} {does}")


def _allow(table: str, verb: str) -> None:
    of = f" ON {table}" if op.get_bind().dialect.name == "postgresql" else ""
    op.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}{of}")


def _light(name: str, new: bool) -> sa.TableClause:
    """A table with its columns by name, as the canonical forms take them; without its checksum."""
    kinds: dict[str, dict[str, Any]] = {
        "event": {
            "action": sa.String(), "actor": sa.String(), "at": Moment(), "category_id": KEY, "id": KEY,
            **({"reason": sa.Text()} if new else {}), "target": sa.String(), "undoes": KEY,
        },
        "segment_fact": {
            "category_id": KEY, "confidence": sa.Double(), "detector_score": sa.Double(), "event_id": KEY,
            "hidden": sa.Boolean(), "id": KEY, "label_source": sa.String(), "mask_no": sa.Integer(),
            "mask_score": sa.Double(), "present": sa.Boolean(), **({"retired": sa.Boolean()} if new else {}),
            "run_id": KEY, "score": sa.Double(), "segment_id": KEY,
        },
        "class_fact": {
            "alias": sa.String(), "category_id": KEY, "event_id": KEY, "id": KEY, "is_thing": sa.Boolean(),
            "merged_into_id": KEY, "name": sa.String(), "present": sa.Boolean(),
        },
    }  # fmt: skip
    return sa.table(name, *(sa.column(column, kinds[name][column]) for column in sorted(kinds[name])))


def _pages(table: sa.TableClause, *more: sa.ColumnClause[Any]) -> Iterator[list[Any]]:
    """Read all rows, ascending by number."""
    last = 0
    while True:
        query = sa.select(*table.c, *more).where(table.c.id > last).order_by(table.c.id).limit(PAGE)
        rows = list(op.get_bind().execute(query))
        if not rows:
            return
        yield rows
        last = rows[-1].id


def _reseal(name: str, new: bool) -> None:
    """Give rows the checksum of their columns with the new one, or without it again: those that match the old one.

    A fact's own number is not covered, as the database gives it later.
    """
    table, seal = _light(name, True), sa.column("seal", sa.BigInteger())
    before = [column for column in table.c if (name, column.name) != ("segment_fact", "id")]
    after = list(before)
    (before if new else after).remove(table.c[NEW[name]])
    target = sa.table(name, sa.column("id", KEY), sa.column("seal", sa.BigInteger()))
    statement = sa.update(target).where(target.c.id == sa.bindparam("row"))
    for rows in _pages(table, seal):
        whole = (row for row in rows if row.seal == _checksum(before, row._mapping))
        columns = [(row.id, dict(row._mapping)) for row in whole]
        values = [{"row": number, "new": _checksum(after, known if new else _as_before(name, known))}
                  for number, known in columns]  # fmt: skip
        if values:
            op.get_bind().execute(statement.values(seal=sa.bindparam("new")), values)


def _as_before(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row in the words of the program before: it knows no retired segments, so they are hidden, and stay so. The
    values that segments have by then are settled by its `doctor --repair`."""
    if name == "event":
        return {**row, "action": "segment.quarantine" if row["action"] == "segment.retire" else row["action"]}
    return {**row, "hidden": row["hidden"] if row["retired"] is None else row["retired"]}


def _checksum(columns: list[Any], row: Mapping[str, Any]) -> int:
    return row_checksum(columns, [row[column.name] for column in columns])


def _link_events() -> None:
    """Insert a link for each event, in their order."""
    events, previous = _light("event", True), ""
    links = sa.table("chain_link", *(sa.column(name) for name in LINK))
    for number, event in enumerate((row for page in _pages(events) for row in page), start=1):
        numbers, rows = {}, [_bytes(events, event)]
        for name in ("segment_fact", "class_fact"):
            table = _light(name, True)
            query = sa.select(*table.c).where(table.c.event_id == event.id).order_by(table.c.id)
            facts = list(op.get_bind().execute(query))
            numbers[f"{name}s"] = _ranges([fact.id for fact in facts])
            rows += [_bytes(table, fact) for fact in facts]
        link = {
            "number": number, "event_id": event.id, "adds_event": True, **numbers,
            "digest": rows_digest(rows), "previous": previous,
        }  # fmt: skip
        names = sorted(link)
        previous = hashlib.sha256(row_bytes("chain_link", names, [link[name] for name in names])).hexdigest()
        op.get_bind().execute(sa.insert(links).values(**link, hash=previous))


def _bytes(table: sa.TableClause, row: Any) -> bytes:
    return row_bytes(table.name, [column.name for column in table.c], list(row))


def _ranges(numbers: list[int]) -> str:
    ranges = list[list[int]]()
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)
