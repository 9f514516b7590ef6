"""The vector indexes of a store, one per feature space, each opened when it is first asked for."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from retclip.errors import ConfigError, StoreBusy, StoreDamaged, StoreMissing
from retclip.store import ledger, sync
from retclip.store.archive import Archive
from retclip.store.engine import transaction
from retclip.store.reconcile import catch_up
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    from retclip.store.vectors import VectorIndex

EDGE, SERVER, RESIDENT = "edge", "server", "resident"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreOptions:
    """Which engines stand behind a store. database: an SQLAlchemy URL, "" for SQLite in the store's folder."""

    database: str = ""
    index: str = EDGE
    qdrant_url: str = ""
    qdrant_api_key: str = ""
    exact_below: int = 20_000  # points that the embedded index may scan; for more it builds a graph
    device: str = "cpu"  # where a resident index lives


@dataclass
class OpenIndex:
    """last_row: the newest outbox row that an index in memory has seen. behind: it could not be brought up to date when
    it was opened, or when something was stored."""

    projection: sync.Projection
    last_row: int = 0
    behind: bool = False

    def follow(self) -> None:
        """Apply whatever is pending."""
        if self.projection.durable:
            sync.relay(self.projection)
        else:
            self.last_row = sync.follow_since(self.projection, self.last_row)


class Indexes:
    """Spaces are named by their row in SQL."""

    def __init__(self, folder: Path, options: StoreOptions, engine: Engine, archive: Archive) -> None:
        self.folder, self.options, self.engine, self.archive = folder, options, engine, archive
        self._open: dict[int, OpenIndex] = {}
        self._stand_ins: dict[int, OpenIndex] = {}  # in memory, for questions, where another process holds the index

    def of(self, space_id: int, space: FeatureSpace, follow: bool = True) -> OpenIndex:
        """The index of a space. follow: bring it up to date while opening. Raises StoreBusy, StoreDamaged."""
        if space_id not in self._open:
            self._open[space_id] = self._opened(space_id, space, self.options.index, follow)
        return self._open[space_id]

    def to_write(self, space_id: int, space: FeatureSpace) -> OpenIndex:
        """As `of`, for who stores something: where a part of the archive cannot be read, building again is the cure;
        whoever asks for neighbours is told."""
        try:
            return self.of(space_id, space)
        except StoreDamaged:
            found = self.of(space_id, space, follow=False)
            found.behind = True
            return found

    def to_ask(self, space_id: int, space: FeatureSpace) -> OpenIndex:
        """As `of`, with what others changed since it was opened. On a server they let it follow themselves; one in this
        process, and one that this process holds, they cannot reach. Where another process holds the embedded index, a
        build say, an index in memory answers, and the log says so."""
        if space_id in self._stand_ins:
            self._stand_ins[space_id].follow()
            return self._stand_ins[space_id]
        try:
            found = self.of(space_id, space)
        except StoreBusy as busy:
            return self._stand_in(space_id, space, busy)
        if found.behind:
            found.last_row, found.behind = catch_up(found.projection), False
        elif self.options.index != SERVER:
            found.follow()
        return found

    def follow(self, spaces: list[tuple[int, FeatureSpace]]) -> None:
        """Let the index of each of these spaces follow what is pending. One in memory only where it is open; one that
        another process holds follows when that one asks it, or when it is opened next. Raises StoreDamaged, after the
        others have followed."""
        damage: StoreDamaged | None = None
        for space_id, space in spaces:
            if self.options.index == RESIDENT and space_id not in self._open:
                continue
            try:
                self.to_write(space_id, space).follow()
            except StoreBusy:
                continue
            except StoreDamaged as error:
                damage = damage or error
                if space_id in self._open:
                    self._open[space_id].behind = True
        if damage is not None:
            raise damage

    def keep_up(self) -> None:
        """Build the graphs that the end of a build, an addition or an edit leaves to be built; see VectorIndex. A
        damaged index is left to who asks it."""
        for found in self._open.values():
            with suppress(StoreDamaged):
                found.projection.index.keep_up()

    def drop(self, space_id: int) -> None:
        """Remove the files of an embedded index that cannot be opened; the next question makes it again."""
        if space_id in self._open:
            self._open.pop(space_id).projection.index.close()
        with transaction(self.engine) as connection:
            version = ledger.active_version(connection, space_id)
        if self.options.index == EDGE and version is not None:
            shutil.rmtree(self.folder / "index" / version[1], ignore_errors=True)

    def close(self) -> None:
        """Give every index's lock back."""
        for indexes in (self._open, self._stand_ins):
            while indexes:
                indexes.popitem()[1].projection.index.close()

    def _stand_in(self, space_id: int, space: FeatureSpace, busy: StoreBusy) -> OpenIndex:
        """It stays until this process ends, so that the builder gets its lock back whenever it wants it."""
        found = self._stand_ins[space_id] = self._opened(space_id, space, RESIDENT)
        log.warning(
            "the vector index is in use (%s): this process answers from the archive's %d vectors, loaded into memory",
            busy.got, found.projection.index.count(),
        )  # fmt: skip
        return found

    def _opened(self, space_id: int, space: FeatureSpace, kind: str, follow: bool = True) -> OpenIndex:
        with transaction(self.engine) as connection:
            version = ledger.active_version(connection, space_id)
        if version is None:
            raise StoreMissing(f"an index of {space.backbone}", "none", "build into the store first")
        index = self._index(space, version[1], kind)
        home = {EDGE: EDGE, SERVER: self.options.qdrant_url}.get(kind)  # None for one in this process
        found = OpenIndex(sync.Projection(self.engine, self.archive, index, space_id, version[0], home))
        try:
            if follow:
                found.last_row = catch_up(found.projection)
        except BaseException:  # half an index must not answer the next question
            index.close()
            raise
        return found

    def _index(self, space: FeatureSpace, name: str, kind: str) -> VectorIndex:
        if kind == EDGE:
            from retclip.store.vectors.edge import EdgeIndex

            return EdgeIndex.open(self.folder / "index" / name, space.dim, exact_below=self.options.exact_below)
        if kind == SERVER:
            from retclip.store.vectors.server import ServerIndex

            return ServerIndex.open(self.options.qdrant_url, name, space.dim, api_key=self.options.qdrant_api_key)
        if kind == RESIDENT:
            from retclip.store.vectors.resident import ResidentIndex

            return ResidentIndex(space.dim, device=self.options.device)
        raise ConfigError(f"store.index to be {EDGE}, {SERVER} or {RESIDENT}", repr(kind), "choose one")
