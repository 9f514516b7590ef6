"""The feature spaces of an open store: their states, and adding missing vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retclip.errors import SpaceIncomplete, SpaceMismatch, StoreMissing
from retclip.store.archive.shards import Archive
from retclip.store.index.indexes import Indexes
from retclip.store.records import AddedVectors, OpenRun, SpaceState, StoredMask, StoredPhoto
from retclip.store.segments import spaces
from retclip.store.segments.added_vectors import commit_added
from retclip.store.sql.transactions import Transactions
from retclip.store.work import ledger
from retclip.types import FeatureSpace


class Spaces:
    """A segment may have a vector in each of several spaces; a question names the space of the vectors it brings."""

    def __init__(self, folder: Path, transactions: Transactions, archive: Archive, indexes: Indexes) -> None:
        self._folder, self._catalog, self._archive, self._indexes = folder, transactions, archive, indexes

    def first(self) -> FeatureSpace | None:
        """Tell the space of the first build, None for an empty store."""
        rows = self.rows()
        return rows[0][1] if rows else None

    def all(self) -> list[SpaceState]:
        """List every space whose vectors the store holds, the first build's first, with how complete it is."""
        return self._catalog.read(spaces.states)

    def rows(self) -> list[tuple[int, FeatureSpace]]:
        """List every space with its row in the catalog, the first build's first."""
        return self._catalog.read(ledger.spaces)

    def row_of(self, space: FeatureSpace | None) -> tuple[int, FeatureSpace]:
        """Find a space with its row, None for the first. Raises StoreMissing for an empty store, SpaceMismatch."""
        return self.choose(self.rows(), space)

    def choose(self, rows: Sequence[tuple[int, FeatureSpace]], space: FeatureSpace | None) -> tuple[int, FeatureSpace]:
        """Find a space among `rows`, which were read before. Raises as `row_of`."""
        if not rows:
            raise self.empty()
        if space is None:
            return rows[0]
        row = next((row for row in rows if row[1].id == space.id), None)
        if row is None:
            raise self.mismatch(rows, space)
        return row

    def of_backbone(self, backbone: str) -> FeatureSpace:
        """Find the space of a backbone. Raises StoreMissing for an empty store, SpaceMismatch where there is none, or
        more than one."""
        known = [space for _, space in self.rows()]
        if not known:
            raise self.empty()
        found = [space for space in known if backbone in (space.backbone, space.id)]
        if len(found) != 1:
            there = ", ".join(f"{space.backbone} (space {space.id})" for space in known)
            todo = f"choose one of these by name, or by the number of its space: {there}"
            raise SpaceMismatch(f"one space of {backbone} in {self._folder}", f"{len(found)}", todo)
        return found[0]

    def state(self, space: FeatureSpace) -> SpaceState:
        """Count how complete a space is. Raises as `row_of`."""
        return self._catalog.read(spaces.state_of, *self.row_of(space))

    def makers(self) -> dict[str, Mapping[str, Any]]:
        """Tell by a space's id what is recorded of the backbone that made it: name, version, distribution, settings."""
        return self._catalog.read(spaces.makers)

    def require(self, space: FeatureSpace) -> None:
        """Raise SpaceMismatch unless the store is empty or has that space."""
        rows = self.rows()
        if rows:
            self.choose(rows, space)

    def require_complete(self, space: FeatureSpace) -> None:
        """Raise SpaceMismatch as `require`, and SpaceIncomplete if the vector of a segment is missing in that space.

        A store with missing vectors answers wrongly, and nobody would see it. Waived vectors do not count
        (`SpaceState.without`). In a store of one space every segment is stored with its vector, so nothing is counted.
        """
        rows = self.rows()
        if not rows:
            return
        row = self.choose(rows, space)
        if len(rows) == 1:
            return
        state = self._catalog.read(spaces.state_of, *row)
        if not state.complete:
            twice = sum(stored.backbone == space.backbone for _, stored in rows) > 1
            same = ", with the settings of this command (--set)" if twice else ""
            raise SpaceIncomplete(
                f"a vector of {space.backbone} for every segment of {self._folder}",
                f"{state.lacking} of {state.total} segments have no vector in this space",
                f"{self.command_to_add(space.backbone)}{same}; or ask with another --backbone",
            )

    def command_to_add(self, backbone: str) -> str:
        """Name the command that adds the missing vectors of the backbone's space."""
        return spaces.to_add(backbone, self._folder)

    def photos_missing_vectors(self, space_id: int, after: int = 0) -> list[StoredPhoto]:
        """List a page of photos with a segment whose vector is missing in a space.

        space_id: its row, as `OpenRun` names it.
        after: the last row of the page before.
        """
        return self._catalog.read(spaces.photos_missing_vectors, space_id, after)

    def count_photos_missing_vectors(self, space_id: int) -> int:
        """Count the photos that `photos_missing_vectors` lists in all its pages."""
        return self._catalog.read(spaces.count_photos_missing_vectors, space_id)

    def masks_missing_vectors(self, space_id: int, image_id: int) -> list[StoredMask]:
        """List the masks of a photo whose vector is missing in a space."""
        return self._catalog.read(spaces.masks_missing_vectors, space_id, image_id)

    def addresses(self, photos: list[StoredPhoto]) -> dict[str, dict[str, list[StoredPhoto]]]:
        """Map each source's address to its external ids, and each of these to the photos that had it."""
        return self._catalog.read(spaces.addresses, photos)

    def add_vectors(self, run: OpenRun, space: FeatureSpace, results: Sequence[AddedVectors]) -> int:
        """Add vectors of stored segments, and let the space's index follow; returns how many. Nothing else changes.

        Raises StoreBusy, StoreError.
        """
        stored = commit_added(self._catalog.engine, self._archive, run, space.dim, results)
        self._indexes.follow([(run.space_id, space)])
        return stored

    def empty(self) -> StoreMissing:
        """Make the error of a store without segments."""
        return StoreMissing("a store with segments", f"{self._folder} is empty", "run `retclip build` first")

    def mismatch(self, rows: Sequence[tuple[int, FeatureSpace]], space: FeatureSpace) -> SpaceMismatch:
        """Make the error of a store that holds those spaces and not that one."""
        return self._catalog.read(spaces.mismatch, self._folder, [stored for _, stored in rows], space)
