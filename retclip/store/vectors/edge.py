"""Qdrant Edge: the vector index in this process, and the only importer of qdrant_edge.

Guards, each for something that was seen to happen (stores.md 1.6): the write-ahead log stays on and every write is
flushed before it is acknowledged (without flush a power loss costs the last writes); a batch is checked whole before it
is sent (a bad one is half-applied); free space is looked at first (a full disk kills the process by SIGBUS); a panic of
the engine, which is no Exception, becomes StoreDamaged.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray
from torch import Tensor

from retclip.errors import RetCLIPError, SpaceMismatch, StoreBusy, StoreDamaged, StoreError
from retclip.store.vectors import PAYLOAD, REVISION, Hits, Points, check_points, gathered

BATCH = 256  # points per update; 64-256 is what the makers advise
SCROLL = 2048
FREE_BYTES = 1 << 30  # for writing
OPEN_BYTES = 128 << 20  # for opening: the log is given space in pieces of 32 MiB
HELD_BYTES = 32 << 20  # of vectors written before their pages are let go: one file of theirs
WIDE_SEARCH = 256  # hnsw_ef: with the default 0.951 of the true neighbours are found, with this 0.986 (stores.md 1.3)
SHARD = "shard"


class EdgeIndex:
    """One Edge shard in `folder/shard`, locked for this process. Use `open`."""

    def __init__(self, folder: Path, shard: Any, lock: IO[str], dim: int, exact_below: int, free_bytes: int) -> None:
        self.folder, self.dim, self.exact_below, self.free_bytes = folder, dim, exact_below, free_bytes
        self._shard, self._lock, self._held = shard, lock, 0

    @classmethod
    def open(cls, folder: Path, dim: int, exact_below: int = 20_000, free_bytes: int = FREE_BYTES) -> EdgeIndex:
        """Open the index in `folder`, made if it is not there. Up to `exact_below` points it scans instead of walking
        its graph. Raises StoreBusy, StoreDamaged, SpaceMismatch."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _locked(folder)
        except OSError as error:
            todo = "make the store's folder writable, or read without this index: --set store.index=resident"
            raise StoreError(f"a folder for the index at {folder}", str(error), todo) from error
        try:
            there = (folder / SHARD / "edge_config.json").exists()
            _check_space(folder, min(free_bytes, OPEN_BYTES) if there else free_bytes)  # its files are memory maps
            with _engine(folder):
                shard = _load(folder / SHARD, dim)
        except BaseException:
            lock.close()
            raise
        return cls(folder, shard, lock, dim, exact_below, free_bytes)

    def upsert(self, points: Points) -> None:
        """See VectorIndex. The guard compares with one number per update, so a batch goes revision by revision."""
        check_points(points, self.dim)
        _check_space(self.folder, self.free_bytes)
        revisions = points.payload[:, REVISION]
        with _engine(self.folder):
            for revision in np.unique(revisions).tolist():
                rows = np.flatnonzero(revisions == revision)
                for start in range(0, len(rows), BATCH):
                    self._upsert(points, rows[start : start + BATCH], revision)
            self._live().flush()
            self._let_go(points.vectors.size * 2)

    def delete(self, ids: Sequence[UUID]) -> None:
        """See VectorIndex."""
        with _engine(self.folder):
            for start in range(0, len(ids), BATCH):
                self._live().update(edge.UpdateOperation.delete_points(list(ids[start : start + BATCH])))
            self._live().flush()

    def search(self, queries: Tensor, k: int, classes: Sequence[int] | None = None) -> Hits:
        """See VectorIndex."""
        exact = self.count() <= self.exact_below
        found = self._query([(row, classes) for row in _rows(queries)], k, exact)
        return gathered([found], len(queries), k)

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """See VectorIndex: a filtered query per mask and class, in a batch per class."""
        rows, exact = _rows(queries), self.count() <= self.exact_below
        parts = [self._query([(row, [one]) for row in rows], k, exact) for one in classes]
        return gathered(parts, len(rows), k * len(classes))

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """See VectorIndex."""
        offset = None
        while True:
            with _engine(self.folder):
                request = edge.ScrollRequest(offset=offset, limit=SCROLL, with_payload=True, with_vector=False)
                records, offset = self._live().scroll(request)
            for one in records:
                yield UUID(str(one.id)), np.array([one.payload[key] for key in PAYLOAD], dtype=np.int64)
            if offset is None:
                return

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """See VectorIndex."""
        with _engine(self.folder):
            records = self._live().retrieve(list(ids), with_payload=False, with_vector=True)
        return {
            UUID(str(one.id)): np.asarray(one.vector, dtype=np.float32) for one in records if one.vector is not None
        }

    def count(self) -> int:
        """See VectorIndex."""
        with _engine(self.folder):
            return int(self._live().count(edge.CountRequest(exact=True)))

    def optimize(self) -> None:
        """Build the graph; holds the interpreter while it works (stores.md 1.6), so it is never called in a query."""
        _check_space(self.folder, self.free_bytes)
        with _engine(self.folder):
            self._live().optimize()
            self._live().flush()

    def close(self) -> None:
        """See VectorIndex."""
        try:
            if self._shard is not None:
                with _engine(self.folder):
                    self._shard.close()
        finally:
            self._shard = None
            self._lock.close()

    def _upsert(self, points: Points, rows: NDArray[np.int64], revision: int) -> None:
        older = edge.Filter(must=[edge.FieldCondition("rev", range=edge.RangeFloat(lt=float(revision)))])
        batch = [
            edge.Point(
                points.ids[n], points.vectors[n].tolist(), dict(zip(PAYLOAD, points.payload[n].tolist(), strict=True))
            )
            for n in rows.tolist()
        ]
        self._live().update(edge.UpdateOperation.upsert_points(batch, condition=older))

    def _let_go(self, written: int) -> None:
        """Close the shard after every HELD_BYTES of flushed vectors: what was written stays in this process's maps, and
        the memory of a build would grow with its store. Whoever needs it next loads it."""
        self._held += written
        if self._held >= HELD_BYTES:
            shard, self._shard, self._held = self._shard, None, 0
            shard.close()

    def _live(self) -> Any:
        if self._lock.closed:
            raise ValueError("the index is closed")
        if self._shard is None:
            self._shard = _load(self.folder / SHARD, self.dim)
        return self._shard

    def _query(self, rows: Sequence[tuple[list[float], Sequence[int] | None]], k: int, exact: bool) -> list[list[Any]]:
        params = edge.SearchParams(exact=True) if exact else edge.SearchParams(hnsw_ef=WIDE_SEARCH)
        requests = [
            edge.QueryRequest(
                limit=k, query=edge.Query.Nearest(row), with_payload=True, filter=_filter(classes), params=params
            )
            for row, classes in rows
        ]
        with _engine(self.folder):
            found: list[list[Any]] = self._live().query_batch(edge.QueryBatchRequest(requests)) if requests else []
        return found


def _check_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise StoreError(f"{wanted / 2**30:g} GiB free at {folder}", f"{free / 2**30:.2f} GiB", "make room")


def _load(path: Path, dim: int) -> Any:
    half, cold = edge.VectorStorageDatatype.Float16, edge.Memory.Cold  # read when asked for, not all while opening
    vector = edge.EdgeVectorParams(size=dim, distance=edge.Distance.Cosine, datatype=half, memory=cold)
    config = edge.EdgeConfig(vectors=vector)
    if not (path / "edge_config.json").exists():
        shutil.rmtree(path, ignore_errors=True)  # a shard whose making was interrupted: nothing was ever in it
        path.mkdir(parents=True)
        return _indexed(edge.EdgeShard.create(str(path), config))
    try:
        return _indexed(edge.EdgeShard.load(str(path), config))
    except Exception as error:
        if "dim" in str(error).lower() or "incompatible" in str(error).lower() or "size" in str(error).lower():
            todo = "use the backbone that built this store, or remove the folder to rebuild it from the archive"
            raise SpaceMismatch(f"vectors of {dim} dimensions in {path}", str(error), todo) from error
        raise


def _indexed(shard: Any) -> Any:
    """With an index per field, also where making them was stopped halfway: searches would be right, but slow. Before
    the first point, because the graph gets filter edges only for the indexes it finds."""
    lacking = [key for key in PAYLOAD if key not in shard.info().payload_schema]
    for key in lacking:
        near = edge.IntegerIndexParams(lookup=key != "rev", range=key == "rev", enable_hnsw=key == "cat")
        shard.update(edge.UpdateOperation.create_field_index(key, near))
    if lacking:
        shard.flush()
    return shard


def _locked(folder: Path) -> IO[str]:
    """A lock on the folder that dies with its process, and says whose it is. Raises StoreBusy."""
    lock = (folder / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        todo = "wait for it, or read without the index: --set store.index=resident"
        raise StoreBusy(f"the index {folder} to be free", f"it is held by process {holder}", todo) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


@contextmanager
def _engine(folder: Path) -> Iterator[None]:
    """What the engine raises, a panic included, as StoreDamaged."""
    try:
        yield
    except (RetCLIPError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a Rust panic arrives as PanicException, which is no Exception
        todo = "close other programs; if it comes again: remove the folder, it is rebuilt from the archive"
        raise StoreDamaged(f"the vector index {folder} to work", f"{type(error).__name__}: {error}", todo) from error


def _rows(queries: Tensor) -> list[list[float]]:
    rows: list[list[float]] = queries.float().cpu().tolist()
    return rows


def _filter(classes: Sequence[int] | None) -> Any:
    must: list[Any] = [edge.FieldCondition("st", match=edge.MatchValue(0))]
    if classes is not None:
        must.append(edge.FieldCondition("cat", match=edge.MatchAny(list(classes))))
    return edge.Filter(must=must)
