"""Decisions about class names: the class that a name means, in the store or the fallback data set, by whom and why.

The newest decision about a name holds; the rows of earlier ones stay, superseded. A rejected pair of name and class is
not proposed again until somebody accepts or maps it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from retclip.names import MatchKind, name_key
from retclip.store.records import ClassMatch, Decisions
from retclip.store.segments.categories import find_categories
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import ClassMatchRow
from retclip.store.states import Decision


def record(connection: Connection, new: ClassMatch) -> int:
    """Write a decision, which supersedes the newest about the same name; returns its number."""
    one_writer_at_a_time(connection)
    newest = select(func.max(ClassMatchRow.id)).where(ClassMatchRow.query_key == new.key)
    cosine = None if new.similarity is None else min(1.0, max(-1.0, new.similarity))  # rounding may leave the range
    values = {
        "query": new.query, "query_key": new.key, "matched": new.matched, "dataset": new.dataset,
        "source": new.source, "how": str(new.how), "similarity": cosine, "encoder": new.encoder,
        "threshold": new.threshold, "decision": new.decision, "decided_by": new.decided_by, "reason": new.reason,
        "run_id": new.run, "event_id": new.event, "supersedes_id": connection.execute(newest).scalar(),
    }  # fmt: skip
    return int(connection.execute(insert(ClassMatchRow).values(**values).returning(ClassMatchRow.id)).scalar_one())


def record_new(connection: Connection, matches: Sequence[ClassMatch]) -> None:
    """Write those decisions that do not hold already."""
    newest = decisions(connection).newest
    for match in matches:
        if not _stands(newest.get(match.key), match):
            record(connection, match)


def _stands(old: ClassMatch | None, new: ClassMatch) -> bool:
    """Tell whether a decision holds already; one whose fill has ended does not count."""
    if old is None or (name_key(old.matched), old.dataset) != (name_key(new.matched), new.dataset):
        return False
    if new.how is MatchKind.MISSING:
        rule = (new.how, new.source, new.threshold, new.encoder)
        return (old.how, old.source, old.threshold, old.encoder) == rule
    return old.holds and not (new.dataset and old.event is not None)


def history(connection: Connection, query: str | None = None) -> list[ClassMatch]:
    """List every decision, oldest first.

    query: the name of one class; None for all.
    """
    statement = select(ClassMatchRow.__table__).order_by(ClassMatchRow.id)
    if query is not None:
        statement = statement.where(ClassMatchRow.query_key == name_key(query))
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    keys = list(dict.fromkeys(name_key(row["matched"]) for row in rows if row["matched"] and not row["dataset"]))
    categories = find_categories(connection, keys)
    return [
        ClassMatch(
            row["query"], row["matched"], MatchKind(row["how"]), row["threshold"], row["dataset"], row["source"],
            row["similarity"], row["encoder"], row["decision"], row["decided_by"], row["reason"], row["run_id"],
            row["event_id"], row["id"], row["at"], row["supersedes_id"],
            None if row["dataset"] else categories.get(name_key(row["matched"])),
        )
        for row in rows
    ]  # fmt: skip


def decisions(connection: Connection) -> Decisions:
    """Compute the decisions that hold now, and the pairs that are rejected."""
    newest: dict[str, ClassMatch] = {}
    pairs: dict[tuple[str, str, str], ClassMatch] = {}
    for match in history(connection):
        newest[match.key] = match
        if match.how is not MatchKind.MISSING:  # the nearest class was not proposed, so it revokes no rejection
            pairs[match.key, match.dataset, name_key(match.matched)] = match
    rejected: dict[str, list[ClassMatch]] = {}
    for (key, _, _), match in pairs.items():
        if match.decision == Decision.REJECTED:
            rejected.setdefault(key, []).append(match)
    return Decisions(newest, rejected)
