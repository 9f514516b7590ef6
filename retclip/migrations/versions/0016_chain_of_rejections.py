"""The chain of events covers rejections, too.

Revision 0016. Links get one column more, the numbers of the rejections that they cover: empty in every link that is
there, so that no hash changes. Rejections that are there get links of their own at the chain's end, one for each event.
Down: links cover no rejections again; those that did, and all after them, get other hashes, so a head that was noted
since is no longer known. A link that was changed before is left as it is, for `retclip doctor` to name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from retclip.store.sql.columns import Moment
from retclip.store.sql.row_checksum import row_checksum
from retclip.store.sql.row_digest import row_bytes, rows_digest

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PAGE = 5000
NEW = "rejection_facts"
LINK: Mapping[str, Any] = {
    "number": KEY, "event_id": KEY, "adds_event": sa.Boolean(), "segment_facts": sa.Text(), "class_facts": sa.Text(),
    "digest": sa.String(), "previous": sa.String(), "hash": sa.String(),
}  # fmt: skip
ROWS: Mapping[str, Mapping[str, Any]] = {
    "event": {
        "action": sa.String(), "actor": sa.String(), "at": Moment(), "category_id": KEY, "id": KEY, "reason": sa.Text(),
        "target": sa.String(), "undoes": KEY,
    },
    "segment_fact": {
        "category_id": KEY, "confidence": sa.Double(), "detector_score": sa.Double(), "event_id": KEY,
        "hidden": sa.Boolean(), "id": KEY, "label_source": sa.String(), "mask_no": sa.Integer(),
        "mask_score": sa.Double(), "present": sa.Boolean(), "retired": sa.Boolean(), "run_id": KEY,
        "score": sa.Double(), "segment_id": KEY,
    },
    "class_fact": {
        "alias": sa.String(), "category_id": KEY, "event_id": KEY, "id": KEY, "is_thing": sa.Boolean(),
        "merged_into_id": KEY, "name": sa.String(), "present": sa.Boolean(),
    },
    "rejection_fact": {"category_id": KEY, "event_id": KEY, "holds": sa.Boolean(), "id": KEY, "segment_id": KEY},
}  # fmt: skip


def upgrade() -> None:
    op.add_column("chain_link", sa.Column(NEW, sa.Text(), nullable=False, server_default=""))
    _seal(_columns(new=False), _columns(new=True))
    _link_rejections()
    _refuse_updates(f", {NEW}")


def downgrade() -> None:
    _allow_updates()
    _unlink_rejections()
    _seal(_columns(new=True), _columns(new=False))
    if op.get_bind().dialect.name == "postgresql":
        op.drop_column("chain_link", NEW)
    else:
        op.execute(f"ALTER TABLE chain_link DROP COLUMN {NEW}")  # no batch: nothing refers to the column
    _refuse_updates("")


def _refuse_updates(more: str) -> None:
    """Make the trigger against changed links, for those columns and more."""
    _allow_updates()
    if op.get_bind().dialect.name == "postgresql":
        does = "FOR EACH ROW EXECUTE FUNCTION retclip_append_only()"
    else:
        does = "BEGIN SELECT RAISE(ABORT, 'chain_link is append-only'); END"
    of = f"{', '.join(LINK)}{more}"
    op.execute(f"CREATE TRIGGER chain_link_no_update BEFORE UPDATE OF {of} ON chain_link {does}")


def _allow_updates() -> None:
    of = " ON chain_link" if op.get_bind().dialect.name == "postgresql" else ""
    op.execute(f"DROP TRIGGER IF EXISTS chain_link_no_update{of}")


def _columns(new: bool) -> list[sa.ColumnClause[Any]]:
    """The columns of a link, by name."""
    kinds = {**LINK, **({NEW: sa.Text()} if new else {})}
    table = sa.table("chain_link", *(sa.column(name, kinds[name]) for name in sorted(kinds)))
    return list(table.c)


def _links() -> Iterator[dict[str, Any]]:
    """Read all links in their order, with their checksums."""
    columns, last = [*_columns(new=True), sa.column("seal", sa.BigInteger())], 0
    while True:
        query = sa.select(*columns).where(sa.column("number") > last).order_by(sa.column("number")).limit(PAGE)
        links = [dict(row._mapping) for row in op.get_bind().execute(query)]
        if not links:
            return
        yield from links
        last = links[-1]["number"]


def _write(links: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Write columns of links that are there."""
    if links:
        table = sa.table("chain_link", *(sa.column(name) for name in ("number", *names)))
        statement = sa.update(table).where(table.c.number == sa.bindparam("row"))
        values = [{"row": link["number"], **{f"new_{name}": link[name] for name in names}} for link in links]
        op.get_bind().execute(statement.values({name: sa.bindparam(f"new_{name}") for name in names}), values)


def _seal(before: list[Any], after: list[Any]) -> None:
    """Give links the checksum of their columns now: those that match the one before. An empty one is filled."""
    sealed = list[dict[str, Any]]()
    for link in _links():
        if link["seal"] in (None, _checksum(before, link)):
            sealed.append({"number": link["number"], "seal": _checksum(after, link)})
    _write(sealed, ["seal"])


def _checksum(columns: list[Any], row: Mapping[str, Any]) -> int:
    return row_checksum(columns, [row[column.name] for column in columns])


def _link_rejections() -> None:
    """Append a link for each event with rejections."""
    table = _table("rejection_fact")
    facts = list(op.get_bind().execute(sa.select(*table.c).order_by(table.c.event_id, table.c.id)))
    newest = sa.text("SELECT number, hash FROM chain_link ORDER BY number DESC LIMIT 1")
    number, previous = op.get_bind().execute(newest).one_or_none() or (0, "")
    columns = _columns(new=True)
    insert = sa.insert(sa.table("chain_link", *(sa.column(name) for name in (*LINK, NEW, "seal"))))
    for event, group in groupby(facts, key=lambda fact: fact.event_id):
        rows, number = list(group), number + 1
        link = {
            "number": number, "event_id": event, "adds_event": False, "segment_facts": "", "class_facts": "",
            NEW: _ranges([row.id for row in rows]), "digest": rows_digest(_bytes(table, row) for row in rows),
            "previous": previous,
        }  # fmt: skip
        previous = link["hash"] = _hash(link)
        op.get_bind().execute(insert, {**link, "seal": _checksum(columns, link)})


def _unlink_rejections() -> None:
    """Take the rejections out of the links, and make the hashes fit, as far as the chain is whole."""
    changed, hashes = list[dict[str, Any]](), dict[str, str]()
    for link in _links():
        previous = hashes.get(link["previous"], link["previous"])
        if not link[NEW] and previous == link["previous"]:
            continue
        if _hash(link) != link["hash"] or (link[NEW] and _digest(link, [*ROWS]) != link["digest"]):
            continue
        known, link["previous"] = link["hash"], previous
        if link[NEW]:
            link["digest"] = _digest(link, ["event", "segment_fact", "class_fact"])
            link[NEW] = ""
        link["hash"] = hashes[known] = _hash(link)
        changed.append({**link, "seal": None})
    _write(changed, [NEW, "digest", "previous", "hash", "seal"])


def _hash(link: Mapping[str, Any]) -> str:
    names = sorted({*LINK, NEW} - {"hash"})
    return hashlib.sha256(row_bytes("chain_link", names, [link[name] for name in names])).hexdigest()


def _digest(link: Mapping[str, Any], tables: Sequence[str]) -> str:
    """Digest the rows of a link that lie in those tables."""
    rows = list[bytes]()
    for name in tables:
        table = _table(name)
        events = [link["event_id"]] if link["adds_event"] else []
        numbers = events if name == "event" else _numbers(link[f"{name}s"])
        for start in range(0, len(numbers), 500):
            query = sa.select(*table.c).where(table.c.id.in_(numbers[start : start + 500])).order_by(table.c.id)
            rows += [_bytes(table, row) for row in op.get_bind().execute(query)]
    return rows_digest(rows)


def _table(name: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column, kind) for column, kind in ROWS[name].items()))


def _bytes(table: sa.TableClause, row: Any) -> bytes:
    return row_bytes(table.name, [column.name for column in table.c], list(row))


def _ranges(numbers: Sequence[int]) -> str:
    """Spell numbers as ranges: "1-350,360"."""
    parts = list[list[int]]()
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in parts)


def _numbers(text: str) -> list[int]:
    pairs = (part.partition("-") for part in text.split(",") if part)
    return [number for first, _, last in pairs for number in range(int(first), int(last or first) + 1)]
