"""Qdrant Edge: the vector index in this process.

Up to `exact_below` points it scans. Beyond, a graph is walked that it builds itself as points come: the engine builds
none unasked (stores.md 1.6), and what no graph holds is scanned in every search. Where a copy in memory answers in its
place none is built.

Guards, each for something that was seen to happen (stores.md 1.6; more in `edge_shard`): every write is flushed before
it is acknowledged (without flush a power loss costs the last writes) and looked at (a guarded update that a kill cut in
its flush is passed over when it is repeated); a batch is checked whole before it is sent (a bad one is half-applied).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from retclip.errors import StoreDamaged, StoreError
from retclip.store.findings import Graph
from retclip.store.index import edge_graph
from retclip.store.index.edge_searches import EdgeSearches, class_sizes
from retclip.store.index.edge_shard import SHARD, check_space, engine_faults, load, locked
from retclip.store.index.nearest_in_classes import nearest_in_classes, nearest_of_each
from retclip.store.index.protocol import (
    HALF_ROUNDING,
    PAYLOAD,
    REVISION,
    Hits,
    Points,
    as_uuid,
    check_points,
    gathered,
    payload_row,
    query_rows,
)

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 256  # points per update; 64-256 is what the makers advise
SCROLL = 2048
FREE_BYTES = 1 << 30  # for writing
OPEN_BYTES = 128 << 20  # for opening: the log is given space in pieces of 32 MiB
UNRELEASED_BYTES = 32 << 20  # of vectors written before their pages are released: one file of theirs
STEP = 20_000  # points between two steps of the graph while many come: what a kill can cost of it
log = logging.getLogger(__name__)


class EdgeIndex:
    """One Edge shard in `folder/shard`, locked for this process. Use `open`."""

    rounding = HALF_ROUNDING

    def __init__(
        self, folder: Path, shard: Any, lock: IO[str], dim: int, exact_below: int, graph_from: int, free_bytes: int
    ) -> None:
        self.folder, self.dim, self.exact_below, self.free_bytes = folder, dim, exact_below, free_bytes
        self.graph_from = graph_from
        self._shard, self._lock, self._unreleased = shard, lock, 0
        self._sizes: Mapping[int, int] | None = None  # of the classes, until the next write
        self._outside = edge_graph.outside(folder, shard)  # points that the graph lacks, at most
        self._wrote, self._builds_graph = False, True

    @classmethod
    def open(
        cls, folder: Path, dim: int, exact_below: int = 20_000, graph_from: int = 0, free_bytes: int = FREE_BYTES
    ) -> EdgeIndex:
        """Open the index in `folder`, made if it does not exist.

        dim: numbers in a vector.
        exact_below: up to so many points a search scans instead of walking the graph.
        graph_from: up to so many points no graph is built, because something else answers.
        free_bytes: to be left free on the disk.
        Raises StoreBusy, StoreDamaged, SpaceMismatch, and StoreError for a folder that cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = locked(folder)
        except OSError as error:
            todo = "make the store's folder writable, or read without this index: --set store.index=resident"
            raise StoreError(f"a folder for the index at {folder}", str(error), todo) from error
        try:
            has_shard = (folder / SHARD / "edge_config.json").exists()
            check_space(folder, min(free_bytes, OPEN_BYTES) if has_shard else free_bytes)  # its files are memory maps
            with engine_faults(folder):
                shard = load(folder / SHARD, dim)
        except BaseException:
            lock.close()
            raise
        return cls(folder, shard, lock, dim, exact_below, graph_from, free_bytes)

    def upsert(self, points: Points) -> None:
        """See VectorIndex. The guard compares with one number per update, so a batch goes revision by revision."""
        check_points(points, self.dim)
        check_space(self.folder, self.free_bytes)
        self._sizes, self._wrote = None, True
        self._note_outside(self._outside + len(points))
        with engine_faults(self.folder):
            self._upsert_all(points, np.arange(len(points)))
            if len(behind := self._behind(points)):
                self.delete([points.ids[row] for row in behind.tolist()])
                self._upsert_all(points, behind)
            self._release_maps(points.vectors.size * 2)
        if self._outside > max(self.exact_below, STEP):
            self._build_if_missing(self._points() // 4)  # a share: each step copies what was built before

    def delete(self, ids: Sequence[UUID]) -> None:
        """See VectorIndex."""
        self._sizes = None
        with engine_faults(self.folder):
            for start in range(0, len(ids), BATCH):
                self._live().update(edge.UpdateOperation.delete_points(list(ids[start : start + BATCH])))
            self._live().flush()

    def search(self, queries: Tensor, k: int, classes: Sequence[int] | None = None) -> Hits:
        """See VectorIndex."""
        with engine_faults(self.folder):
            points = nearest_in_classes(self._engine(), query_rows(queries), k, classes, self.exact_below)
            return gathered([points], len(queries), k)

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """See VectorIndex."""
        with engine_faults(self.folder):
            parts = nearest_of_each(self._engine(), query_rows(queries), k, classes, self.exact_below)
            return gathered(parts, len(queries), k * len(classes))

    def search_where(self, queries: Tensor, k: int, where: Mapping[str, Sequence[int]], exact: bool = True) -> Hits:
        """See VectorIndex."""
        with engine_faults(self.folder):
            points = EdgeSearches(self._live(), {}).where(query_rows(queries), k, where, exact)
            return gathered([points], len(queries), k)

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """See VectorIndex."""
        for record in self._scroll(with_payload=True):
            yield as_uuid(record.id), payload_row(record.payload)

    def filtered(self, category: int, state: int) -> Iterator[UUID]:
        """See VectorIndex."""
        of_class = edge.FieldCondition("cat", match=edge.MatchValue(category))
        condition = edge.Filter(must=[edge.FieldCondition("st", match=edge.MatchValue(state)), of_class])
        for record in self._scroll(with_payload=False, filter=condition):
            yield as_uuid(record.id)

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """See VectorIndex."""
        with engine_faults(self.folder):
            records = self._live().retrieve(list(ids), with_payload=False, with_vector=True)
            return {
                as_uuid(record.id): np.asarray(record.vector, dtype=np.float32)
                for record in records
                if isinstance(record.vector, list)  # a point that lost its vector has something else there
            }

    def count(self) -> int:
        """See VectorIndex."""
        with engine_faults(self.folder):
            return int(self._live().count(edge.CountRequest(exact=True)))

    def graph(self) -> Graph:
        """See VectorIndex."""
        points = self.count()
        return Graph(points, points - min(self._outside, points), max(self.exact_below, self.graph_from))

    def keep_up(self) -> None:
        """See VectorIndex."""
        if self._wrote:
            self._build_if_missing(self.exact_below)

    def optimize(self) -> None:
        """See VectorIndex. Another process builds it, `edge_graph` says why; this one waits. Raises StoreError."""
        if self._points():
            with engine_faults(self.folder):
                shard, self._shard, self._unreleased = self._live(), None, 0
                shard.close()
            edge_graph.build(self.folder, self.dim, self._lock, self.free_bytes)
            self._note_outside(0)

    def close(self) -> None:
        """See VectorIndex."""
        try:
            if self._shard is not None:
                with engine_faults(self.folder):
                    self._shard.close()
        finally:
            self._shard = None
            self._lock.close()

    def _upsert_all(self, points: Points, rows: NDArray[np.int64]) -> None:
        """Write those rows of the points, revision by revision, and flush."""
        revisions = points.payload[rows, REVISION]
        for revision in np.unique(revisions).tolist():
            alike = rows[revisions == revision]
            for start in range(0, len(alike), BATCH):
                self._upsert(points, alike[start : start + BATCH], revision)
        self._live().flush()

    def _behind(self, points: Points) -> NDArray[np.int64]:
        """Find the rows of the points that are held at an earlier revision than was written. The engine flushes the
        fields that the guard's condition is answered from before the integers themselves: after a kill between the two
        the condition calls a point new that is old."""
        held: dict[UUID, int] = {}
        for start in range(0, len(points), BATCH):
            ids = list(points.ids[start : start + BATCH])
            records = self._live().retrieve(ids, with_payload=[PAYLOAD[REVISION]], with_vector=False)
            held |= {as_uuid(record.id): record.payload[PAYLOAD[REVISION]] for record in records}
        written = points.payload[:, REVISION].tolist()
        return np.flatnonzero([held[number] < rev for number, rev in zip(points.ids, written, strict=True)])

    def _upsert(self, points: Points, rows: NDArray[np.int64], revision: int) -> None:
        older = edge.Filter(must=[edge.FieldCondition("rev", range=edge.RangeFloat(lt=float(revision)))])
        batch = [
            edge.Point(
                points.ids[n], points.vectors[n].tolist(), dict(zip(PAYLOAD, points.payload[n].tolist(), strict=True))
            )
            for n in rows.tolist()
        ]
        self._live().update(edge.UpdateOperation.upsert_points(batch, condition=older))

    def _release_maps(self, written: int) -> None:
        """Close the shard after every UNRELEASED_BYTES of flushed vectors. Written pages stay in this process's maps,
        and the memory of a build would grow with its store. The next call loads it again."""
        self._unreleased += written
        if self._unreleased >= UNRELEASED_BYTES:
            shard, self._shard, self._unreleased = self._shard, None, 0
            shard.close()

    def _build_if_missing(self, limit: int) -> None:
        """Build the graph if it is needed and misses more than `limit` points. After a failure or a stop this process
        tries no more: answers are right without the graph, and `doctor` reports it."""
        if self._outside <= limit or not self._builds_graph or self._points() <= self.graph_from:
            return
        self._builds_graph = False
        try:
            self.optimize()
        except StoreDamaged:
            raise
        except StoreError as error:
            log.warning("searches stay slow: %s", error)
            return
        self._builds_graph = True

    def _note_outside(self, points: int) -> None:
        edge_graph.note_outside(self.folder, points)
        self._outside = points

    def _points(self) -> int:
        with engine_faults(self.folder):
            return int(self._live().info().points_count)

    def _engine(self) -> EdgeSearches:
        shard = self._live()
        if self._sizes is None:
            self._sizes = class_sizes(shard)
        return EdgeSearches(shard, self._sizes)

    def _scroll(self, **options: Any) -> Iterator[Any]:
        offset = None
        while True:
            with engine_faults(self.folder):
                request = edge.ScrollRequest(offset=offset, limit=SCROLL, with_vector=False, **options)
                records, offset = self._live().scroll(request)
            yield from records
            if offset is None:
                return

    def _live(self) -> Any:
        if self._lock.closed:
            raise ValueError("the index is closed")
        if self._shard is None:
            self._shard = load(self.folder / SHARD, self.dim)
        return self._shard
