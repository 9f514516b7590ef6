"""Decisions about class names: what stands for a name, in the store or in the fallback data set, who said so and why.

The newest decision about a name holds; earlier ones stay as rows that it took the place of. A pair of name and class
that was rejected is not proposed again until somebody accepts or maps it.
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
    """Write a decision that takes the place of the newest about the same name, if there is one; returns its number."""
    one_writer_at_a_time(connection)
    mine = select(func.max(ClassMatchRow.id)).where(ClassMatchRow.query_key == new.key)
    cosine = None if new.similarity is None else min(1.0, max(-1.0, new.similarity))  # rounding may leave the range
    values = {
        "query": new.query, "query_key": new.key, "matched": new.matched, "dataset": new.dataset,
        "source": new.source, "how": str(new.how), "similarity": cosine, "encoder": new.encoder,
        "threshold": new.threshold, "decision": new.decision, "decided_by": new.decided_by, "reason": new.reason,
        "run_id": new.run, "event_id": new.event, "supersedes_id": connection.execute(mine).scalar(),
    }  # fmt: skip
    return int(connection.execute(insert(ClassMatchRow).values(**values).returning(ClassMatchRow.id)).scalar_one())


def record_new(connection: Connection, matches: Sequence[ClassMatch]) -> None:
    """Write down those decisions that do not stand already."""
    newest = decisions(connection).newest
    for match in matches:
        if not _stands(newest.get(match.key), match):
            record(connection, match)


def _stands(old: ClassMatch | None, new: ClassMatch) -> bool:
    """Whether a decision stands already; a fill that has ended is another one."""
    if old is None or (name_key(old.matched), old.dataset) != (name_key(new.matched), new.dataset):
        return False
    if new.how is MatchKind.MISSING:
        rule = (new.how, new.source, new.threshold, new.encoder)
        return (old.how, old.source, old.threshold, old.encoder) == rule
    return old.holds and not (new.dataset and old.event is not None)


def history(connection: Connection, query: str | None = None) -> list[ClassMatch]:
    """Every decision, oldest first; of one name alone where it is given."""
    rows = select(ClassMatchRow.__table__).order_by(ClassMatchRow.id)
    if query is not None:
        rows = rows.where(ClassMatchRow.query_key == name_key(query))
    found = [dict(row) for row in connection.execute(rows).mappings()]
    keys = list(dict.fromkeys(name_key(row["matched"]) for row in found if row["matched"] and not row["dataset"]))
    categories = find_categories(connection, keys)
    return [
        ClassMatch(
            row["query"], row["matched"], MatchKind(row["how"]), row["threshold"], row["dataset"], row["source"],
            row["similarity"], row["encoder"], row["decision"], row["decided_by"], row["reason"], row["run_id"],
            row["event_id"], row["id"], row["at"], row["supersedes_id"],
            None if row["dataset"] else categories.get(name_key(row["matched"])),
        )
        for row in found
    ]  # fmt: skip


def decisions(connection: Connection) -> Decisions:
    """What holds now."""
    newest: dict[str, ClassMatch] = {}
    pairs: dict[tuple[str, str, str], ClassMatch] = {}
    for one in history(connection):
        newest[one.key] = one
        if one.how is not MatchKind.MISSING:  # what came nearest was not proposed, so it takes back no rejection
            pairs[one.key, one.dataset, name_key(one.matched)] = one
    rejected: dict[str, list[ClassMatch]] = {}
    for (key, _, _), one in pairs.items():
        if one.decision == Decision.REJECTED:
            rejected.setdefault(key, []).append(one)
    return Decisions(newest, rejected)
