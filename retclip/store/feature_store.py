"""Catalog, archive and indexes together: the memory that decides, opened as one thing.

Readers never trust an index: every hit is joined with SQL, and what SQL does not call visible drops out. A segment may
have a vector in each of several feature spaces; a question names the space of the vectors that it brings.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from retclip.errors import SpaceIncomplete, SpaceMismatch, StoreMissing, StoreUnreachable
from retclip.store.api.classes import Classes
from retclip.store.api.maintenance import Maintenance
from retclip.store.api.matches import Matches
from retclip.store.archive.shards import Archive
from retclip.store.classes.class_edits import Edit
from retclip.store.classes.undo import undo, undo_all
from retclip.store.classes.vocabulary_state import VocabularyState, vocabulary_state
from retclip.store.index import sync
from retclip.store.index.indexes import EDGE, RESIDENT, SERVER, Indexes, StoreOptions
from retclip.store.places import check_identity, find_store, make_store
from retclip.store.segments import spaces
from retclip.store.segments.added_vectors import AddedVectors, commit_added
from retclip.store.segments.ingest import UnitResult, commit_units
from retclip.store.segments.slots import images_with_slots
from retclip.store.segments.spaces import SpaceState, StoredMask, StoredPhoto, VectorMaker
from retclip.store.sql import catalog
from retclip.store.sql.engine import one_writer_at_a_time
from retclip.store.sql.transactions import Transactions
from retclip.store.work import leases, ledger
from retclip.store.work.ledger import OpenRun, RunPlan
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.types import Neighbours

__all__ = ["EDGE", "RESIDENT", "SERVER", "FeatureStore", "StoreOptions"]
log = logging.getLogger(__name__)


class FeatureStore:
    """An open store. Use `create` or `open`, and `close` it (or use it as a context manager)."""

    def __init__(self, folder: Path, options: StoreOptions, engine: Engine) -> None:
        self.folder, self.options, self.engine = folder, options, engine
        self.archive = Archive(folder / "archive")
        self._indexes = Indexes(folder, options, engine, self.archive)
        self._catalog = Transactions(engine, self._follow_edit)
        self.classes, self.matches = Classes(self._catalog), Matches(self._catalog)
        self.maintenance = Maintenance(self._catalog, self.archive)

    @classmethod
    def create(cls, folder: Path, options: StoreOptions | None = None, exist_ok: bool = False) -> FeatureStore:
        """Make an empty store; `folder` may exist but not hold a store, unless `exist_ok`. Raises StoreError."""
        options = options or StoreOptions()
        return cls(folder, options, make_store(folder, options.database, exist_ok))

    @classmethod
    def open(cls, folder: Path, options: StoreOptions | None = None, check_schema: bool = True) -> FeatureStore:
        """Open an existing store. Raises StoreMissing, StoreBehind, StoreError."""
        options = options or StoreOptions()
        return cls(folder, options, find_store(folder, options.database, check_schema))

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the indexes' locks and the database connections."""
        self._indexes.close()
        self.engine.dispose()

    def check_identity(self) -> None:
        """Raises StoreError where the catalog is another store's."""
        check_identity(self.folder, self.engine)

    def space(self) -> FeatureSpace | None:
        """The space of the first build, None for an empty store."""
        known = self._known()
        return known[0][1] if known else None

    def spaces(self) -> list[SpaceState]:
        """Every space whose vectors the store holds, the first build's first, with how complete it is."""
        return self._catalog.read(spaces.states)

    def require_space(self, space: FeatureSpace) -> None:
        """Raises SpaceMismatch unless the store is empty or has that space."""
        known = self._known()
        if known and space.id not in {one.id for _, one in known}:
            raise self._mismatch(known, space)

    def require_complete(self, space: FeatureSpace) -> None:
        """Raises SpaceMismatch as `require_space`, and SpaceIncomplete where a segment lacks its vector in that space:
        a memory that knows half of what it was told answers wrongly, and nobody would see it. Segments that cannot have
        one do not count (`SpaceState.without`). Where there is one space, whatever stores a segment stores its
        vector, so nothing is counted."""
        self.require_space(space)
        known = self._known()
        if len(known) < 2:
            return
        state = self.space_state(*self._row(known, space))
        if not state.complete:
            twice = sum(one.backbone == space.backbone for _, one in known) > 1
            same = ", with the settings of this command (--set)" if twice else ""
            raise SpaceIncomplete(
                f"a vector of {space.backbone} for every segment of {self.folder}",
                f"{state.lacking} of {state.total} segments have no vector in this space",
                f"{spaces.to_add(space.backbone, self.folder)}{same}; or ask with another --backbone",
            )

    def start_run(self, plan: RunPlan, new_space: bool = False) -> OpenRun:
        """Open the index for writing and record that a run begins. new_space: a store that holds others gets that one,
        too. Raises SpaceMismatch, StoreBusy, and with `new_space` StoreMissing for an empty store."""

        def begin(connection: Connection) -> int:
            one_writer_at_a_time(connection)  # two first builds with different backbones must not both find it empty
            known = ledger.spaces(connection)
            if new_space and not known:
                raise self._empty()
            if not new_space and known and plan.space.id not in {one.id for _, one in known}:
                raise self._mismatch(known, plan.space)
            return ledger.ensure_space(connection, plan.space)

        self._indexes.prepare(self._catalog.write(begin), plan.space)
        return self._catalog.write(ledger.start_run, plan)

    def commit(self, run: OpenRun, results: Sequence[UnitResult], is_thing: Mapping[str, bool | None]) -> int:
        """Store finished units and let the indexes follow; returns the number of segments."""
        stored = commit_units(self.engine, self.archive, run, results, is_thing)
        self.refresh()
        return stored

    def add_vectors(self, run: OpenRun, space: FeatureSpace, results: Sequence[AddedVectors]) -> int:
        """Store vectors of segments that are there, and let that space's index follow; returns how many. Nothing else
        is touched."""
        stored = commit_added(self.engine, self.archive, run, space.dim, results)
        self._indexes.follow([(run.space_id, space)])
        return stored

    def lease(self, run: OpenRun, units: Sequence[leases.Wanted], afresh: bool = False) -> leases.Taken:
        """Take units that nobody else works on into our hands, until they are committed or the run ends."""
        return self._catalog.write(leases.take, run, units, afresh)

    def renew_leases(self, run: OpenRun) -> None:
        """A sign of life, due every few minutes."""
        self._catalog.write(leases.renew, run)

    def begin_unit(self, run: OpenRun, key: str) -> None:
        """From now on this process itself works on that one of the run's leased units, "" = on none."""
        self._catalog.write(leases.begin, run, key)

    def record_failure(self, run: OpenRun, key: str, failure: ledger.Failure) -> None:
        """Count one more failed attempt at a unit."""
        self._catalog.write(ledger.record_failure, run.id, key, failure)

    def finish_run(self, run: OpenRun, state: str, counts: Mapping[str, Any]) -> None:
        """Close a run as finished, interrupted or failed; what it still held is free. A finished one has its graph."""

        def finish(connection: Connection) -> None:
            leases.release(connection, run)
            ledger.finish_run(connection, run.id, state, counts)

        self._catalog.write(finish)
        if state == "finished":
            self._indexes.keep_up()

    def undo(self, event: int, actor: str) -> Edit:
        """Take an event back; what later ones made of the same segments stays.

        actor: who does it, for the event of the undo.
        Raises DataError for an unknown event, one that was undone already, one that cannot be, or where a later change
        of the class stands in the way.
        """
        return self._catalog.edit(undo, event, actor)

    def undo_all(self, events: Sequence[int], actor: str) -> tuple[int, ...]:
        """Take events back, the last of them first, all or none; returns the events that it makes. Raises as `undo`."""
        return self._catalog.edit(undo_all, events, actor) if events else ()

    def _follow_edit(self) -> None:
        self.refresh()
        self._indexes.keep_up()

    def refresh(self) -> None:
        """Let every index follow whatever is pending; see `Indexes.follow`. What was stored before stays so, also where
        the database goes away now."""
        try:
            known = self._known()
        except StoreUnreachable as error:
            log.warning("what was stored is stored; the vector index follows later: %s", error)
            return
        self._indexes.follow(known)

    def projection(self, space: FeatureSpace | None = None, follow: bool = True) -> sync.Projection:
        """The open index of a space (None = the first build's) with the truth it follows. Raises StoreMissing for an
        empty store, SpaceMismatch.

        follow: bring it up to date while opening, as everyone wants who asks it something. A check that must see what
        is really on the disk says False.
        """
        known = self._known()
        if not known:
            raise self._empty()
        space_id, found = known[0] if space is None else self._row(known, space)
        return self._indexes.of(space_id, found, follow).projection

    def drop_index(self, space: FeatureSpace | None = None) -> None:
        """Remove the files of a space's embedded index that cannot be opened; the next question makes it again."""
        known = self._known()
        if known:
            self._indexes.drop((known[0] if space is None else self._row(known, space))[0])

    def segments(self, ids: Sequence[UUID]) -> dict[UUID, catalog.StoredSegment]:
        """What is known of those segments now."""
        return self._catalog.read(catalog.stored_segments, ids)

    def segment_mask(self, point_id: UUID) -> tuple[bytes, int, int] | None:
        """(COCO compressed counts, height, width) of a segment's mask, None for an unknown one."""
        return self._catalog.read(catalog.segment_mask, point_id)

    def vector_makers(self, ids: Sequence[UUID], space: str) -> dict[UUID, VectorMaker]:
        """Who made the vectors of those segments in a space. space: its fingerprint."""
        return self._catalog.read(spaces.vector_makers, ids, space)

    def vocabulary_state(self) -> VocabularyState:
        """What a prepared vocabulary hangs on; while it is the same, so are the names."""
        return self._catalog.read(vocabulary_state)

    def planned_run(self, plan: RunPlan) -> tuple[OpenRun, bool]:
        """The run as it would be, and whether any work was ever finished here. Nothing is written."""
        return self._catalog.read(lambda c: (ledger.planned_run(c, plan), ledger.has_units(c)))

    def unit_states(self, keys: Sequence[str]) -> ledger.UnitStates:
        """What the ledger says of those units of work."""
        return self._catalog.read(leases.unit_states, keys)

    def images_with_slots(self, run: OpenRun, external_ids: Sequence[str], prompts: Sequence[str]) -> set[str]:
        """Of those images the ones that hold a segment of that run's proposer for one of the prompts."""
        return self._catalog.read(images_with_slots, run, external_ids, prompts)

    def photos_lacking(self, space_id: int, after: int = 0) -> list[StoredPhoto]:
        """A page of photos with a segment that lacks its vector in a space. after: the last row of the page before."""
        return self._catalog.read(spaces.photos_lacking, space_id, after)

    def count_photos_lacking(self, space_id: int) -> int:
        """How many photos `photos_lacking` has in all its pages."""
        return self._catalog.read(spaces.count_photos_lacking, space_id)

    def masks_lacking(self, space_id: int, image_id: int) -> list[StoredMask]:
        """The masks of a photo that lack their vector in a space."""
        return self._catalog.read(spaces.masks_lacking, space_id, image_id)

    def space_state(self, space_id: int, space: FeatureSpace) -> SpaceState:
        """How complete a space is."""
        return self._catalog.read(spaces.state_of, space_id, space)

    def addresses(self, photos: list[StoredPhoto]) -> dict[str, dict[str, list[StoredPhoto]]]:
        """By address of a source, by name in it, the photos that it showed."""
        return self._catalog.read(spaces.addresses, photos)

    def nearest(
        self, vectors: Tensor, store_classes: Sequence[int | None], k: int, per_class: bool,
        space: FeatureSpace | None = None,
    ) -> Neighbours:  # fmt: skip
        """Neighbours of (n, d) unit vectors among the visible segments of the vocabulary's classes.

        store_classes: per vocabulary class its row id in the catalog, None where the store has none. space: of the
        vectors; may be left out where the store has one. Raises SpaceMismatch, StoreBusy, StoreDamaged.
        """
        from retclip.store.index.nearest import nearest, nothing_near

        known = self._known()
        if not known:  # nothing is stored yet: other sources decide alone
            return nothing_near(vectors, len(store_classes))
        if space is None and len(known) > 1:
            raise SpaceMismatch("the space of the vectors", f"none, and {len(known)} are stored", "name it: space=")
        row = known[0] if space is None else self._row(known, space)
        return self._indexes.ask(*row, lambda index: nearest(index, vectors, store_classes, k, per_class))

    def _known(self) -> list[tuple[int, FeatureSpace]]:
        return self._catalog.read(ledger.spaces)

    def _row(self, known: Sequence[tuple[int, FeatureSpace]], space: FeatureSpace) -> tuple[int, FeatureSpace]:
        found = next((one for one in known if one[1].id == space.id), None)
        if found is None:
            raise self._mismatch(known, space)
        return found

    def _empty(self) -> StoreMissing:
        return StoreMissing("a store with segments", f"{self.folder} is empty", "run `retclip build` first")

    def _mismatch(self, known: Sequence[tuple[int, FeatureSpace]], space: FeatureSpace) -> SpaceMismatch:
        there = [one for _, one in known]
        return self._catalog.read(spaces.mismatch, self.folder, there, space)
