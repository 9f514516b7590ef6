"""Decisions about names that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from retclip.names import MatchKind, name_key
from retclip.store.states import Decision


@dataclass(frozen=True)
class ClassMatch:
    """A decision about a name that was asked for.

    matched: the class that stands for the query; for a missing one the nearest class, "" without any.
    dataset, source: the fallback data set and its address, "" = the store itself.
    similarity: cosine of the texts, [-1, 1], None if names decided, or a person.
    encoder: the texts' feature space, "" if names decided.
    run, event: of a fill that has ended.
    category: the store's row of `matched`, followed through renames and merges.
    """

    query: str
    matched: str
    how: MatchKind
    threshold: float
    dataset: str = ""
    source: str = ""
    similarity: float | None = None
    encoder: str = ""
    decision: Decision = Decision.AUTO
    decided_by: str = ""
    reason: str = ""
    run: int | None = None
    event: int | None = None
    id: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    supersedes: int | None = None
    category: int | None = None

    @property
    def key(self) -> str:
        """Make the query's name key."""
        return name_key(self.query)

    @property
    def holds(self) -> bool:
        """Tell whether a class stands for the name."""
        return self.decision != Decision.REJECTED and self.how is not MatchKind.MISSING

    @property
    def is_fill(self) -> bool:
        """Tell whether segments of the fallback data set are, or will be, stored under the name."""
        return self.holds and bool(self.dataset)


@dataclass(frozen=True)
class Decisions:
    """The current decisions about names.

    newest: the decision that holds, by the query's key.
    rejected: the pairs that must not be proposed, by the query's key.
    """

    newest: Mapping[str, ClassMatch] = field(default_factory=dict)
    rejected: Mapping[str, Sequence[ClassMatch]] = field(default_factory=dict)

    def barred_categories(self, key: str) -> set[int]:
        """List the classes of the store that were rejected for that name."""
        pairs = self.rejected.get(key, ())
        return {pair.category for pair in pairs if not pair.dataset and pair.category is not None}

    def barred_names(self, key: str, dataset: str) -> set[str]:
        """List the name keys of a data set's classes that were rejected for that name."""
        return {name_key(pair.matched) for pair in self.rejected.get(key, ()) if pair.dataset == dataset}


@dataclass(frozen=True)
class FillRuns:
    """The runs of a fill, oldest first.

    segments: how many of theirs are not retired.
    event: that they add to; None if it was undone, or nothing is stored yet.
    """

    ids: tuple[int, ...]
    segments: int
    event: int | None = None


@dataclass(frozen=True)
class VocabularyState:
    """The state that a prepared vocabulary depends on: two that are equal mean the same classes, names and decisions.

    names: of each table that names stand in, how many rows it has and the sum of their checksums.
    outbox: its newest row; every change of a segment adds one.
    """

    names: tuple[tuple[int, int], ...]
    outbox: int
