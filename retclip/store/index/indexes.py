"""The vector indexes of a store, one per feature space, each opened when it is first asked for."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from sqlalchemy import Engine

from retclip.errors import (
    RetCLIPError,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
    StoreUnreachable,
)
from retclip.store.archive.shards import Archive
from retclip.store.findings import SearchWay
from retclip.store.index import sync, wanted_points
from retclip.store.index.followed import NOTE, FollowedNote
from retclip.store.index.kept_files import SUFFIX, remove_kept
from retclip.store.index.reconcile import catch_up
from retclip.store.index.row_sums import RowsDamaged
from retclip.store.records import StoreOptions
from retclip.store.sql.engine import read
from retclip.store.states import IndexKind
from retclip.store.work import ledger
from retclip.types import FeatureSpace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retclip.store.index.protocol import VectorIndex

SERVER_PAUSE = 60.0  # seconds until a server that did not answer gets the next change
MEMORY_SHARE = 0.5  # of the machine's memory that vectors may fill which stand in for an index
COPIED_ABOVE = 128  # vectors; of fewer a copy in memory saves nobody time (benchmarks/README.md)
NUMBER = 6  # bytes of a vector's number there: float32, and bfloat16 for the first pass
Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


@dataclass
class OpenIndex:
    """An index that is open, and how far it has followed.

    last_row: the newest outbox row that an index in memory has seen.
    behind: it could not be brought up to date when it was opened, or when something was stored.
    """

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
        self._stand_ins: dict[int, OpenIndex] = {}  # in memory, for questions, in the place of the index
        self._ways: dict[int, SearchWay] = {}  # how each space is searched
        self._warned: set[tuple[int, str]] = set()  # space and fault of the warnings so far
        self._asked: set[int] = set()  # spaces whose embedded index has answered
        self._disbelieved: set[int] = set()  # spaces whose kept rows were damaged
        self._not_before: dict[int, float] = {}  # when a server that did not answer is asked again

    def of(self, space_id: int, space: FeatureSpace, follow: bool = True) -> OpenIndex:
        """Open the index of a space, once.

        space_id: the space's row.
        follow: bring the index up to date while opening.
        Raises StoreBusy, StoreDamaged, StoreMissing for a space without an index.
        """
        if space_id not in self._open:
            self._open[space_id] = self._opened(space_id, space, self.options.index, follow)
        return self._open[space_id]

    def to_write(self, space_id: int, space: FeatureSpace) -> OpenIndex:
        """Open the index of a space for a writer, also if a part of the archive cannot be read: building again is the
        cure, and the next question for neighbours raises the error. Raises as `of`."""
        try:
            return self.of(space_id, space)
        except StoreDamaged:
            opened = self.of(space_id, space, follow=False)
            opened.behind = True
            return opened

    def prepare(self, space_id: int, space: FeatureSpace) -> None:
        """Open an index before a write that it has to follow. Raises StoreBusy. Any other fault is a warning: SQL and
        the archive hold what is stored, and the index follows when it can."""
        try:
            self.to_write(space_id, space)
        except StoreBusy:
            raise
        except RetCLIPError as error:
            self._lags(space_id, space, error)

    def ask(self, space_id: int, space: FeatureSpace, question: Callable[[sync.Projection], Answer]) -> Answer:
        """Ask an index, brought up to date with the changes of other processes.

        Other processes update a server themselves; an index in this process, or held by it, they cannot reach. Beside
        an embedded index of more than a few vectors one in memory answers, exactly, as long as it fits (`way`). It does
        so, too, with a warning, if the index cannot be used: another process holds it, its files are damaged or another
        user's, its server is gone. Where kept rows turn out to be damaged, they go and the question is asked again.

        question: called with the index and the truth behind it; its answer is returned.
        Raises StoreUnreachable, StoreMissing, and the index's own error if memory does not suffice.
        """
        try:
            return self._answered(space_id, space, question)
        except RowsDamaged as error:
            self._disbelieve(space_id, space, error)
            return self._answered(space_id, space, question)

    def _answered(self, space_id: int, space: FeatureSpace, question: Callable[[sync.Projection], Answer]) -> Answer:
        if space_id not in self._stand_ins and self.way(space_id, space).in_memory:
            self._open_copy(space_id, space)
        if space_id not in self._stand_ins:
            try:
                projection = self._current(space_id, space).projection
                self._tell_without_graph(space_id, space, projection)
                return question(projection)
            except (StoreMissing, StoreUnreachable):
                raise
            except StoreError as error:
                self._stand_in(space_id, space, error)
        self._stand_ins[space_id].follow()
        return question(self._stand_ins[space_id].projection)

    def vectors(self, space_id: int, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """Read the vectors (d,) that the index of a space holds of some ids. Raises as `ask`."""
        space = dict(read(self.engine, ledger.spaces))[space_id]
        return self.ask(space_id, space, partial(_vectors, ids=ids))

    def way(self, space_id: int, space: FeatureSpace) -> SearchWay:
        """Tell how this process searches a space; decided once."""
        if space_id not in self._ways:
            points = read(self.engine, partial(wanted_points.count, space_id=space_id))
            above = min(self.options.exact_below, COPIED_ABOVE)
            self._ways[space_id] = SearchWay(self.options.index, points, points * space.dim * NUMBER, _room(), above)
        return self._ways[space_id]

    def copy(self, space_id: int, space: FeatureSpace) -> sync.Projection | None:
        """Open the index in memory that answers for a space, for its check; None if none does."""
        if self.options.index == IndexKind.RESIDENT:
            return self._current(space_id, space).projection
        if not self.way(space_id, space).in_memory:
            return None
        opened = self._stand_ins.get(space_id) or self._opened(space_id, space, IndexKind.RESIDENT)
        self._stand_ins[space_id] = opened
        opened.follow()
        return opened.projection

    def follow(self, spaces: list[tuple[int, FeatureSpace]]) -> None:
        """Let the index of each of these spaces follow what is pending. A fault is a warning: what is stored is stored.

        An index in memory follows only if it is open. One that another process holds follows when that process asks it,
        or when it is opened next.
        """
        for space_id, space in spaces:
            if self.options.index == IndexKind.RESIDENT and space_id not in self._open:
                continue
            if time.monotonic() < self._not_before.get(space_id, 0.0):
                continue
            try:
                self.to_write(space_id, space).follow()
            except StoreBusy:
                continue
            except RetCLIPError as error:
                self._lags(space_id, space, error)

    def refresh(self) -> None:
        """Let every index follow whatever is pending, see `follow`. A database that goes away now is a warning: what
        was stored before stays stored."""
        try:
            spaces = read(self.engine, ledger.spaces)
        except StoreUnreachable as error:
            log.warning("what was stored is stored; the vector index follows later: %s", error)
            return
        self.follow(spaces)

    def follow_edit(self) -> None:
        """Let every index follow a change of classes, and its graph after it."""
        self.refresh()
        self.keep_up()

    def keep_up(self) -> None:
        """Build the missing graphs at the end of a build, an addition or an edit; see VectorIndex. The next question to
        a damaged index raises its error."""
        for opened in self._open.values():
            with suppress(StoreDamaged):
                opened.projection.index.keep_up()

    def drop(self, space_id: int) -> None:
        """Remove the files of a damaged embedded index; the next question makes it again. Raises StoreError if they
        cannot be removed."""
        if space_id in self._open:
            self._open.pop(space_id).projection.index.close()
        self.drop_copy(space_id)
        version = read(self.engine, partial(ledger.active_version, space_id=space_id))
        if self.options.index == IndexKind.EDGE and version is not None:
            files = self.folder / "index" / version[1]
            shutil.rmtree(files, ignore_errors=True)
            if files.exists():
                todo = "remove it as the user whom it belongs to; it is made again from the archive"
                raise StoreError(f"a folder that can be removed: {files}", "one that cannot", todo)

    def drop_copy(self, space_id: int) -> None:
        """Remove the kept rows of a space; the next question loads them again."""
        if space_id in self._stand_ins:
            self._stand_ins.pop(space_id).projection.index.close()
        if self.options.index == IndexKind.RESIDENT and space_id in self._open:
            self._open.pop(space_id).projection.index.close()
        version = read(self.engine, partial(ledger.active_version, space_id=space_id))
        if version is not None:
            remove_kept(self._kept(version[1]))

    def close(self) -> None:
        """Give every index's lock back."""
        for indexes in (self._open, self._stand_ins):
            while indexes:
                indexes.popitem()[1].projection.index.close()

    def _current(self, space_id: int, space: FeatureSpace) -> OpenIndex:
        opened = self.of(space_id, space)
        if opened.behind:
            opened.last_row, opened.behind = catch_up(opened.projection), False
        elif self.options.index != IndexKind.SERVER:
            opened.follow()
        return opened

    def _lags(self, space_id: int, space: FeatureSpace, error: RetCLIPError) -> None:
        """Mark an index as behind, and warn once of each fault. The changes wait in the outbox."""
        if space_id in self._open:
            self._open[space_id].behind = True
        if self.options.index == IndexKind.SERVER:
            self._not_before[space_id] = time.monotonic() + SERVER_PAUSE
        if (space_id, error.got) not in self._warned:
            self._warned.add((space_id, error.got))
            log.warning(
                "what was stored is stored, but the vector index of %s could not follow: expected %s; got %s. It "
                "follows with the next command that can use it; to mend it: %s",
                space.backbone, error.expected, error.got, error.todo,
            )  # fmt: skip

    def _tell_without_graph(self, space_id: int, space: FeatureSpace, projection: sync.Projection) -> None:
        """Warn once where neither a copy in memory answers nor a graph: the store came from a larger machine, say."""
        if self.options.index != IndexKind.EDGE or space_id in self._asked:
            return
        self._asked.add(space_id)
        graph = projection.index.graph()
        if graph is not None and graph.due:
            log.warning(
                "%d of %d vectors of %s are in no graph, and memory holds no copy of them: each search reads them one "
                "by one. To build the graph: retclip doctor --store %s --repair",
                graph.points - graph.indexed, graph.points, space.backbone, self.folder,
            )  # fmt: skip

    def _open_copy(self, space_id: int, space: FeatureSpace) -> None:
        """Open an index in memory to be asked; where the archive cannot be read, the embedded one is."""
        try:
            self._stand_ins[space_id] = self._opened(space_id, space, IndexKind.RESIDENT)
        except StoreDamaged as error:
            log.warning(
                "the embedded index is searched, not a copy of its vectors in memory: expected %s; got %s. To mend it: "
                "%s",
                error.expected, error.got, error.todo,
            )  # fmt: skip
            self._ways[space_id] = replace(self._ways[space_id], memory=0)

    def _stand_in(self, space_id: int, space: FeatureSpace, error: StoreError) -> None:
        """Load a stand-in in memory. It stays until this process ends, so that a builder gets its lock back at any
        time."""
        way = self.way(space_id, space)
        if self.options.index == IndexKind.RESIDENT or way.bytes > way.memory:
            raise error
        opened = self._stand_ins[space_id] = self._opened(space_id, space, IndexKind.RESIDENT)
        cure = "" if isinstance(error, StoreBusy) else f". To mend it: {error.todo}"
        log.warning(
            "the vector index cannot be used (%s): this process answers from the archive's %d vectors, loaded into "
            "memory%s", error.got, opened.projection.index.count(), cure,
        )  # fmt: skip

    def _opened(self, space_id: int, space: FeatureSpace, kind: IndexKind, follow: bool = True) -> OpenIndex:
        version = read(self.engine, partial(ledger.active_version, space_id=space_id))
        if version is None:
            raise StoreMissing(f"an index of {space.backbone}", "none", "build into the store first")
        if kind == IndexKind.RESIDENT and follow:
            return self._resident(space_id, space, version)
        index = self._index(space, version[1], kind)
        homes = {IndexKind.EDGE: IndexKind.EDGE, IndexKind.SERVER: self.options.qdrant_url}
        home = homes.get(kind)  # None for one in this process
        note = self._note(*version) if kind == IndexKind.EDGE else None
        opened = OpenIndex(sync.Projection(self.engine, self.archive, index, space_id, version[0], home, note))
        try:
            if follow:
                opened.last_row = catch_up(opened.projection)
        except BaseException:  # half an index must not answer the next question
            index.close()
            raise
        return opened

    def _resident(self, space_id: int, space: FeatureSpace, version: tuple[int, str]) -> OpenIndex:
        from retclip.store.index.resident_copy import open_copy

        def projection_of(index: VectorIndex) -> sync.Projection:
            return sync.Projection(self.engine, self.archive, index, space_id, version[0], None)

        opened = partial(open_copy, projection_of, self._kept(version[1]), space.dim, self.options.device)
        try:
            return OpenIndex(*opened(believed=space_id not in self._disbelieved))
        except RowsDamaged as error:
            self._disbelieve(space_id, space, error)
            return OpenIndex(*opened(believed=False))

    def _disbelieve(self, space_id: int, space: FeatureSpace, error: RowsDamaged) -> None:
        """Remove kept rows that are damaged, and map none of that space again that this process did not write."""
        log.warning(
            "the rows that are kept of %s are damaged, so they are made again from the archive: expected %s; got %s",
            space.backbone, error.expected, error.got,
        )  # fmt: skip
        self._disbelieved.add(space_id)
        self.drop_copy(space_id)

    def _note(self, version_id: int, name: str) -> FollowedNote:
        return FollowedNote(self.engine, version_id, self.folder / "index" / name / NOTE)

    def _kept(self, name: str) -> Path:
        return self.folder / "index" / f"{name}{SUFFIX}"

    def _index(self, space: FeatureSpace, name: str, kind: IndexKind) -> VectorIndex:
        if kind == IndexKind.EDGE:
            from retclip.store.index.edge import EdgeIndex

            copied = _room() // (space.dim * NUMBER)  # points of a copy in memory
            return EdgeIndex.open(
                self.folder / "index" / name, space.dim, exact_below=self.options.exact_below, graph_from=copied
            )
        if kind == IndexKind.SERVER:
            from retclip.store.index.server import ServerIndex

            options = self.options
            return ServerIndex.open(
                options.qdrant_url, name, space.dim, api_key=options.qdrant_api_key, timeout=options.qdrant_timeout
            )
        from retclip.store.index.resident import ResidentIndex

        return ResidentIndex(space.dim, device=self.options.device)


def _vectors(projection: sync.Projection, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
    from retclip.store.index.resident import ResidentIndex

    if isinstance(projection.index, ResidentIndex):
        projection.index.hold_all()
    return projection.index.vectors(ids)


def _room() -> int:
    """Bytes that vectors may fill which stand in for an index."""
    return int(_memory() * MEMORY_SHARE)


def _memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
