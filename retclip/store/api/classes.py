"""The classes of an open store: listed, changed by a person, added by a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from retclip.store.classes import additions, class_counts, class_edits, imports
from retclip.store.records import Edit, HistoryEvent, OpenRun, StoreClass
from retclip.store.segments.categories import find_category
from retclip.store.sql.transactions import Transactions


class Classes:
    """Each change is one transaction and one event, which `FeatureStore.undo` takes back."""

    def __init__(self, transactions: Transactions) -> None:
        self._catalog = transactions

    def all(self) -> list[StoreClass]:
        """List the classes, by name, with the visible segments and the negative examples of each counted."""
        return self._catalog.read(class_counts.counted_classes)

    def id_of(self, name: str) -> int | None:
        """Find the row of the class with a name or alias; None if no class has it."""
        return self._catalog.read(find_category, name)

    def history(self, name: str | None = None) -> list[HistoryEvent]:
        """List the events of one class, also of one that is gone, oldest first.

        name: None for the events of every class.
        Raises DataError for a name that no class ever had.
        """
        return self._catalog.read(class_edits.class_history, name)

    def rename(self, old: str, new: str, actor: str) -> Edit:
        """Give a class another name; the old one stays as an alias.

        actor: who does it, for the event.
        Raises DataError for an unknown class, or a name that is empty, taken, or the class's own already.
        """
        return self._catalog.edit(class_edits.rename_class, old, new, actor)

    def add_alias(self, name: str, alias: str, actor: str) -> Edit:
        """Give a class one more name. Raises DataError for an unknown class, or a name that is taken."""
        return self._catalog.edit(class_edits.add_alias, name, alias, actor)

    def merge(self, name: str, into: str, actor: str) -> Edit:
        """Give every segment of a class to another one, which its name means from now on. Raises DataError for an
        unknown class, and for a class and itself."""
        return self._catalog.edit(class_edits.merge_class, name, into, actor)

    def remove(self, name: str, actor: str) -> Edit:
        """Retire a class with its segments; it may be added again. Raises DataError for an unknown class."""
        return self._catalog.edit(class_edits.remove_class, name, actor)

    def note_of_addition(self, name: str, gated: bool, against: bool = False) -> Mapping[str, Any]:
        """Make the settings of a new run of an addition.

        gated: a regression test judges the class afterwards.
        against: its segments are negative examples of the class: they never vote for it.
        """
        return self._catalog.read(additions.note, name, gated, against)

    def finish_addition(self, run: int) -> int | None:
        """End the run of an addition; returns the number of its event, None if it has no facts.

        run: its row.
        """
        return self._catalog.write(additions.finish_addition, run)

    def note_of_import(self, sha256: str) -> Mapping[str, Any]:
        """Make the settings that a run of an import notes: the event that it continues.

        sha256: of the class file.
        """
        return self._catalog.write(imports.note, sha256)

    def unsaid_negatives(self, negatives: Mapping[str, Sequence[UUID]]) -> dict[str, list[UUID]]:
        """List those negative examples, by class, of which nobody has said yet whether they are of it."""
        return self._catalog.read(imports.unsaid, negatives)

    def finish_import(
        self, sha256: str, runs: Sequence[OpenRun], negatives: Mapping[str, Sequence[UUID]] | None = None
    ) -> int | None:
        """End an import; returns the number of its event, None if it stored nothing.

        sha256: of the class file.
        runs: its runs.
        negatives: by class, segments that were there before and are negative examples of it from now on.
        """
        return self._catalog.write(imports.finish, sha256, runs, negatives or {})

    def undo_unfinished(self, name: str, actor: str) -> list[int]:
        """Undo the additions of a class whose process died before they ended or were judged; returns their events."""
        return self._catalog.edit(additions.undo_deserted, name, actor)

    def keep_additions(self, events: Sequence[int]) -> None:
        """Mark the additions of those events as judged: they stay."""
        self._catalog.edit(additions.judge, events)
