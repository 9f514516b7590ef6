"""Catalog, archive and index together: the memory that decides, opened as one thing.

    STORE/retclip.toml        settings (retclip.config reads it)
    STORE/catalog.sqlite      SQL, unless `database` names a server
    STORE/archive/            float16 shards, named by content
    STORE/index/              the embedded vector index, one folder per feature space and version; can be deleted

Readers never trust the index: every hit is joined with SQL, and what SQL does not call visible drops out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import URL, Engine

from retclip.errors import ConfigError, SpaceMismatch, StoreError, StoreMissing
from retclip.store import catalog, ledger, schema, sync
from retclip.store.archive import Archive
from retclip.store.engine import open_engine, transaction
from retclip.store.ingest import UnitResult, commit_units
from retclip.store.ledger import OpenRun, RunPlan
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.store.vectors import VectorIndex
    from retclip.types import Neighbours

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

    @classmethod
    def create(cls, folder: Path, options: StoreOptions | None = None) -> FeatureStore:
        """Make an empty store; `folder` may exist but not hold a store. Raises StoreError."""
        options = options or StoreOptions()
        if (folder / "archive").exists():
            raise StoreError(f"no store at {folder}", "a store that is there already", "choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        engine = open_engine(options.database or _sqlite(folder))
        schema.upgrade(engine)
        (folder / "archive").mkdir()  # last: its presence says that the store is whole
        return cls(folder, options, engine)

    @classmethod
    def open(cls, folder: Path, options: StoreOptions | None = None, check_schema: bool = True) -> FeatureStore:
        """Open an existing store. Raises StoreMissing, StoreBehind."""
        options = options or StoreOptions()
        if not (folder / "archive").is_dir():
            raise StoreMissing(
                f"a store at {folder}", "no such store", f"make one: retclip init {folder}, or build into it"
            )
        engine = open_engine(options.database or _sqlite(folder))
        if check_schema:
            schema.require_head(engine)
        return cls(folder, options, engine)

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
        mine = self.space()
        if mine and mine.id != space.id:
            raise SpaceMismatch(
                f"vectors of {mine.backbone} (space {mine.id}), which this store holds",
                f"{space.backbone} (space {space.id}), other weights or settings",
                f"use --backbone {mine.backbone} with its settings as in {self.folder / 'retclip.toml'}, "
                "or build a new store",
            )

    def start_run(self, plan: RunPlan) -> OpenRun:
        """Open the index for writing and record that a run begins. Raises SpaceMismatch, StoreBusy."""
        self.require_space(plan.space)
        with transaction(self.engine, write=True) as connection:
            run = ledger.start_run(connection, plan)
        self.projection()
        return run

    def commit(self, run: OpenRun, results: Sequence[UnitResult], is_thing: Mapping[str, bool]) -> int:
        """Store finished units and let the index follow; returns the number of segments."""
        stored = commit_units(self.engine, self.archive, run, results, is_thing)
        self.refresh()
        return stored

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
        is really on the disk says False; an index in memory has nothing of its own, so it is always loaded.
        """
        if self._projection is None:
            with transaction(self.engine) as connection:
                known = ledger.spaces(connection)
                version = ledger.active_version(connection, known[0][0]) if known else None
            if not version:
                raise StoreMissing("a store with segments", f"{self.folder} is empty", "run `retclip build` first")
            space_id, space = known[0]
            index = self._open_index(space, version[1])
            durable = self.options.index != RESIDENT
            projection = sync.Projection(self.engine, self.archive, index, space_id, version[0], durable)
            try:
                if follow or not durable:
                    self._last_row = sync.catch_up(projection)
            except BaseException:  # half an index must not answer the next question
                index.close()
                raise
            self._projection = projection
        return self._projection

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

    def segments(self, ids: Sequence[UUID]) -> dict[UUID, catalog.StoredSegment]:
        """What is known of those segments now."""
        with transaction(self.engine) as connection:
            return catalog.stored_segments(connection, ids)

    def nearest(self, vectors: Tensor, store_classes: Sequence[int | None], k: int, per_class: bool) -> Neighbours:
        """Neighbours of (n, d) unit vectors among the visible segments of the vocabulary's classes.

        store_classes: per vocabulary class its row id in the catalog, None where the store has none.
        """
        from retclip.store.nearest import nearest

        return nearest(self.projection(), vectors, store_classes, k, per_class)


def _sqlite(folder: Path) -> URL:
    """Not as a string: a folder's name may hold a question mark."""
    return URL.create("sqlite", database=str(folder / "catalog.sqlite"))
