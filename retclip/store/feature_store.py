"""Catalog, archive and index together: the memory that decides, opened as one thing.

Readers never trust the index: every hit is joined with SQL, and what SQL does not call visible drops out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from retclip.errors import ConfigError, SpaceMismatch, StoreBusy, StoreDamaged, StoreMissing
from retclip.store import catalog, class_matches, leases, ledger, sync
from retclip.store.archive import Archive
from retclip.store.engine import one_writer_at_a_time, transaction, when_free
from retclip.store.ingest import UnitResult, commit_units
from retclip.store.ledger import OpenRun, RunPlan
from retclip.store.places import find_store, make_store
from retclip.store.reconcile import catch_up
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.store.vectors import VectorIndex
    from retclip.types import Neighbours

Changed = TypeVar("Changed")
EDGE, SERVER, RESIDENT = "edge", "server", "resident"


@dataclass(frozen=True)
class StoreOptions:
    """Which engines stand behind a store. database: an SQLAlchemy URL, "" for SQLite in the store's folder."""

    database: str = ""
    index: str = EDGE
    qdrant_url: str = ""
    qdrant_api_key: str = ""
    exact_below: int = 20_000  # points up to which the embedded index scans instead of walking its graph
    device: str = "cpu"  # where a resident index lives


class FeatureStore:
    """An open store. Use `create` or `open`, and `close` it (or use it as a context manager)."""

    def __init__(self, folder: Path, options: StoreOptions, engine: Engine) -> None:
        self.folder, self.options, self.engine = folder, options, engine
        self.archive = Archive(folder / "archive")
        self._projection: sync.Projection | None = None
        self._last_row = 0  # newest outbox row that a resident index has seen
        self._behind = False  # whether the index could not be brought up to date when it was opened

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
        """Release the index's lock and the database connections."""
        if self._projection:
            self._projection.index.close()
            self._projection = None
        self.engine.dispose()

    def space(self) -> FeatureSpace | None:
        """The space whose vectors the store holds, None for an empty store."""
        with transaction(self.engine) as connection:
            known = ledger.spaces(connection)
        return known[0][1] if known else None

    def require_space(self, space: FeatureSpace) -> None:
        """Raises SpaceMismatch unless the store is empty or its vectors are of that space."""
        with transaction(self.engine) as connection:
            self._require_space(connection, space)

    def start_run(self, plan: RunPlan) -> OpenRun:
        """Open the index for writing and record that a run begins. Raises SpaceMismatch, StoreBusy."""
        with transaction(self.engine, write=True) as connection:
            one_writer_at_a_time(connection)  # two first builds with different backbones must not both find it empty
            self._require_space(connection, plan.space)
            ledger.ensure_space(connection, plan.space)
        try:
            self.projection()
        except StoreDamaged:  # building again is the cure; whoever asks for neighbours is told
            self.projection(follow=False)
            self._behind = True
        with transaction(self.engine, write=True) as connection:
            return ledger.start_run(connection, plan)

    def commit(self, run: OpenRun, results: Sequence[UnitResult], is_thing: Mapping[str, bool | None]) -> int:
        """Store finished units and let the index follow; returns the number of segments."""
        stored = commit_units(self.engine, self.archive, run, results, is_thing)
        try:
            self.refresh()
        except StoreDamaged:
            self._behind = True
        return stored

    def lease(self, run: OpenRun, units: Sequence[leases.Wanted]) -> leases.Taken:
        """Take units that nobody else works on into our hands, until they are committed or the run ends."""
        return self._write(lambda connection: leases.take(connection, run, units))

    def renew_leases(self, run: OpenRun) -> None:
        """A sign of life, due every few minutes."""
        self._write(lambda connection: leases.renew(connection, run))

    def finish_run(self, run: OpenRun, state: str, counts: Mapping[str, Any]) -> None:
        """Close a run as finished, interrupted or failed; what it still held is free."""

        def finish(connection: Connection) -> None:
            leases.release(connection, run)
            ledger.finish_run(connection, run.id, state, counts)

        self._write(finish)

    def _write(self, change: Callable[[Connection], Changed]) -> Changed:
        def write() -> Changed:
            with transaction(self.engine, write=True) as connection:
                return change(connection)

        return when_free(write)

    def edit(self, change: Callable[[Connection], Changed]) -> Changed:
        """Change the catalog and let the index follow; one that another process holds follows later: what is true
        stands in SQL. Raises what the change raises, StoreError."""
        done = self._write(change)
        if self.space() is not None:
            with suppress(StoreBusy):
                self.refresh()
        return done

    def refresh(self) -> None:
        """Let the index follow whatever is pending."""
        projection = self.projection()
        if projection.durable:
            sync.relay(projection)
        else:
            self._last_row = sync.follow_since(projection, self._last_row)

    def projection(self, follow: bool = True) -> sync.Projection:
        """The open index with the truth it follows. Raises StoreMissing for an empty store.

        follow: bring it up to date while opening, as everyone wants who asks it something. A check that must see what
        is really on the disk says False, and so does a builder that cannot read a part of the archive.
        """
        if self._projection is None:
            with transaction(self.engine) as connection:
                known = ledger.spaces(connection)
                version = ledger.active_version(connection, known[0][0]) if known else None
            if not version:
                raise StoreMissing("a store with segments", f"{self.folder} is empty", "run `retclip build` first")
            space_id, space = known[0]
            index = self._open_index(space, version[1])
            projection = sync.Projection(self.engine, self.archive, index, space_id, version[0], self._home())
            try:
                if follow:
                    self._last_row = catch_up(projection)
            except BaseException:  # half an index must not answer the next question
                index.close()
                raise
            self._projection = projection
        return self._projection

    def drop_index(self) -> None:
        """Remove the files of an embedded index that cannot be opened; the next question makes it again."""
        if self._projection:
            self._projection.index.close()
            self._projection = None
        if self.options.index == EDGE:
            shutil.rmtree(self.folder / "index", ignore_errors=True)

    def _home(self) -> str | None:
        """Where the index lies; None for one in this process."""
        return {EDGE: EDGE, SERVER: self.options.qdrant_url}.get(self.options.index)

    def _require_space(self, connection: Connection, space: FeatureSpace) -> None:
        known = ledger.spaces(connection)
        mine = known[0][1] if known else None
        if mine and mine.id != space.id:
            raise SpaceMismatch(
                f"vectors of {mine.backbone} (space {mine.id}), which this store holds",
                f"{space.backbone} (space {space.id}), other weights or settings",
                f"use --backbone {mine.backbone} with its settings as in {self.folder / 'retclip.toml'}, "
                "or build a new store",
            )

    def _open_index(self, space: FeatureSpace, name: str) -> VectorIndex:
        if self.options.index == EDGE:
            from retclip.store.vectors.edge import EdgeIndex

            return EdgeIndex.open(self.folder / "index" / name, space.dim, exact_below=self.options.exact_below)
        if self.options.index == SERVER:
            from retclip.store.vectors.server import ServerIndex

            return ServerIndex.open(self.options.qdrant_url, name, space.dim, api_key=self.options.qdrant_api_key)
        if self.options.index == RESIDENT:
            from retclip.store.vectors.resident import ResidentIndex

            return ResidentIndex(space.dim, device=self.options.device)
        raise ConfigError(f"store.index to be {EDGE}, {SERVER} or {RESIDENT}", repr(self.options.index), "choose one")

    def classes(self) -> list[catalog.StoreClass]:
        """The store's classes with their counts."""
        with transaction(self.engine) as connection:
            return catalog.classes(connection)

    def decisions(self) -> class_matches.Decisions:
        """What was decided about names."""
        with transaction(self.engine) as connection:
            return class_matches.decisions(connection)

    def segments(self, ids: Sequence[UUID]) -> dict[UUID, catalog.StoredSegment]:
        """What is known of those segments now."""
        with transaction(self.engine) as connection:
            return catalog.stored_segments(connection, ids)

    def nearest(self, vectors: Tensor, store_classes: Sequence[int | None], k: int, per_class: bool) -> Neighbours:
        """Neighbours of (n, d) unit vectors among the visible segments of the vocabulary's classes.

        store_classes: per vocabulary class its row id in the catalog, None where the store has none.
        """
        from retclip.store.nearest import nearest, nothing_near

        if self.space() is None:  # nothing is stored yet: other sources decide alone
            return nothing_near(vectors, len(store_classes))
        projection = self.projection()
        if self._behind:
            self._last_row, self._behind = catch_up(projection), False
        elif not projection.durable:  # others may have stored something since
            self.refresh()
        return nearest(projection, vectors, store_classes, k, per_class)
