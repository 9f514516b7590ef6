"""Decisions about class names: what stands for a name, in the store or in the fallback data set, who said so and why.

The newest decision about a name holds; earlier ones stay as rows that it took the place of. A pair of name and class
that was rejected is not proposed again until somebody accepts or maps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from retclip.names import MatchKind, name_key
from retclip.store.segments.categories import find_categories
from retclip.store.sql.columns import now
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.tables import ClassMatchRow

AUTO, ACCEPTED, REJECTED = "auto", "accepted", "rejected"


@dataclass(frozen=True)
class ClassMatch:
    """One decision. matched: the class that stands for the query; of a missing one what came nearest, "" where nothing
    did. dataset, source: the fallback data set and its address, "" = the store itself. similarity: cosine of the texts,
    [-1, 1], None where names decided, or a person. encoder: the texts' feature space, "" where names decided. run,
    event: of a fill that has ended. category: the store's row of `matched`, followed through renames and merges."""

    query: str
    matched: str
    how: MatchKind
    threshold: float
    dataset: str = ""
    source: str = ""
    similarity: float | None = None
    encoder: str = ""
    decision: str = AUTO
    decided_by: str = ""
    reason: str = ""
    run: int | None = None
    event: int | None = None
    id: int = 0
    at: datetime = field(default_factory=now)
    supersedes: int | None = None
    category: int | None = None

    @property
    def key(self) -> str:
        """The query's name key."""
        return name_key(self.query)

    @property
    def holds(self) -> bool:
        """Whether a class stands for the name."""
        return self.decision != REJECTED and self.how is not MatchKind.MISSING

    @property
    def is_fill(self) -> bool:
        """Whether segments of the fallback data set are, or are to be, stored under the name."""
        return self.holds and bool(self.dataset)


@dataclass(frozen=True)
class Decisions:
    """newest: the decision that holds, by the query's key. rejected: the pairs that must not be proposed, too."""

    newest: Mapping[str, ClassMatch] = field(default_factory=dict)
    rejected: Mapping[str, Sequence[ClassMatch]] = field(default_factory=dict)

    def barred_categories(self, key: str) -> set[int]:
        """Classes of the store that were rejected for that name."""
        return {one.category for one in self.rejected.get(key, ()) if not one.dataset and one.category is not None}

    def barred_names(self, key: str, dataset: str) -> set[str]:
        """Name keys of a data set's classes that were rejected for that name."""
        return {name_key(one.matched) for one in self.rejected.get(key, ()) if one.dataset == dataset}


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
        if one.decision == REJECTED:
            rejected.setdefault(key, []).append(one)
    return Decisions(newest, rejected)
