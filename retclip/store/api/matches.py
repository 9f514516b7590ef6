"""Decisions about requested names, by a rule or a person, and the fills that carry them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retclip.store.classes import class_matches, fills, match_edits
from retclip.store.records import ClassMatch, Decisions, Edit, FillRuns
from retclip.store.sql.transactions import Transactions


class Matches:
    """A later decision about a name supersedes an earlier one, which stays in the history."""

    def __init__(self, transactions: Transactions) -> None:
        self._catalog = transactions

    def decisions(self) -> Decisions:
        """Compute the decisions that hold now."""
        return self._catalog.read(class_matches.decisions)

    def history(self, query: str | None = None) -> list[ClassMatch]:
        """List every decision about a name, the overruled ones among them, oldest first.

        query: None for all names.
        """
        return self._catalog.read(class_matches.history, query)

    def record(self, matches: Sequence[ClassMatch]) -> None:
        """Write those decisions that do not hold already."""
        self._catalog.write(class_matches.record_new, matches)

    def accept(self, query: str, actor: str, reason: str = "") -> ClassMatch:
        """Confirm the newest decision about a name, or revoke its rejection.

        actor: who decides.
        Raises DataError without a decision, and for one without a class.
        """
        return self._catalog.edit(match_edits.accept, query, actor, reason)

    def reject(self, query: str, actor: str, reason: str = "") -> Edit:
        """Reject the newest decision about a name, and undo its fill; returns event 0 without one. Raises DataError as
        `accept`, and for a decision that is rejected already."""
        return self._catalog.edit(match_edits.reject, query, actor, reason)

    def map_to(self, query: str, stored: str, threshold: float, actor: str, reason: str = "") -> Edit:
        """Let a class of the store stand for a name from now on.

        stored: the class's name.
        threshold: cosine in [-1, 1] that was in force, for the record.
        Raises DataError for the class that the name itself was filled as.
        """
        return self._catalog.edit(match_edits.map_to, query, stored, threshold, actor, reason)

    def map_to_fallback(self, match: ClassMatch) -> Edit:
        """Let a class of the fallback data set stand for a name; its photos come with the fill that follows. Raises
        DataError if the store has segments of that name which no fill made."""
        return self._catalog.edit(match_edits.map_to_fallback, match)

    def fill_runs(self, match: ClassMatch) -> FillRuns:
        """List the runs that carried a decision out so far."""
        return self._catalog.read(fills.fill_runs, match)

    def note_of_fill(self, match: ClassMatch) -> Mapping[str, Any]:
        """Make the settings of a new run of a fill."""
        return fills.note(match)

    def end_fill(self, match: ClassMatch) -> int | None:
        """End a fill; returns the number of its event. None if another process still works on it, and if a newer
        decision
        has overruled it: then it is undone."""
        return self._catalog.edit(match_edits.end_fill, match)
