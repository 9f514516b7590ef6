"""Which class stands for a name that was asked for: what a rule or a person decided, and what a fill stored for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retclip.store.classes import class_matches, fills, match_edits
from retclip.store.records import ClassMatch, Decisions, Edit, FillRuns
from retclip.store.sql.transactions import Transactions


class Matches:
    """A later decision about a name takes the place of an earlier one, which stays in the history."""

    def __init__(self, transactions: Transactions) -> None:
        self._catalog = transactions

    def decisions(self) -> Decisions:
        """Tell what holds now."""
        return self._catalog.read(class_matches.decisions)

    def history(self, query: str | None = None) -> list[ClassMatch]:
        """List every decision about a name, the overruled ones among them, oldest first.

        query: None for all names.
        """
        return self._catalog.read(class_matches.history, query)

    def record(self, matches: Sequence[ClassMatch]) -> None:
        """Write down those decisions that do not stand already."""
        self._catalog.write(class_matches.record_new, matches)

    def accept(self, query: str, actor: str, reason: str = "") -> ClassMatch:
        """Confirm the newest decision about a name, or take its rejection back.

        actor: who decides.
        Raises DataError where there is none, or nothing was matched.
        """
        return self._catalog.edit(match_edits.accept, query, actor, reason)

    def reject(self, query: str, actor: str, reason: str = "") -> Edit:
        """Turn the newest decision about a name down; what a fill stored for it goes. Its event is 0 where nothing had
        to go. Raises DataError as `accept`, and where it was rejected already."""
        return self._catalog.edit(match_edits.reject, query, actor, reason)

    def map_to(self, query: str, stored: str, threshold: float, actor: str, reason: str = "") -> Edit:
        """Let a class of the store stand for a name from now on.

        stored: the class's name.
        threshold: of the similarity that was asked for, for the history; cosine, [-1, 1].
        Raises DataError where that is what the name is filled as.
        """
        return self._catalog.edit(match_edits.map_to, query, stored, threshold, actor, reason)

    def map_to_fallback(self, match: ClassMatch) -> Edit:
        """Let a class of the fallback data set stand for a name; its photos come with the fill that follows. Raises
        DataError where the store has segments of that name which no fill made."""
        return self._catalog.edit(match_edits.map_to_fallback, match)

    def fill_runs(self, match: ClassMatch) -> FillRuns:
        """Tell which runs carried a decision out so far."""
        return self._catalog.read(fills.fill_runs, match)

    def note_of_fill(self, match: ClassMatch) -> Mapping[str, Any]:
        """Say what the run of a fill writes down before it begins: which decision it carries out."""
        return fills.note(match)

    def end_fill(self, match: ClassMatch) -> int | None:
        """Note that a fill is complete; returns the number of its event. None where another process still works on it,
        or where a newer decision overruled it, then what it stored goes."""
        return self._catalog.edit(match_edits.end_fill, match)
