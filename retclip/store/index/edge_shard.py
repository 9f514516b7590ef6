"""The files of one Qdrant Edge shard and the guards around them; `edge` searches in it, `edge_graph` builds its graph.

Each guard is for something that was seen to happen (stores.md 1.6): free space is looked at first (a full disk kills
the process by SIGBUS); the write-ahead log stays on (without it the engine locks nothing, and two processes may write);
a panic of the engine, which is no Exception, becomes StoreDamaged.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import qdrant_edge as edge

from retclip.errors import RetCLIPError, SpaceMismatch, StoreBusy, StoreDamaged, StoreError
from retclip.store.index.protocol import PAYLOAD

SHARD = "shard"
GRAPH_FROM = 1  # KB of vectors from which the engine builds a graph when it is told to: `edge` decides when to tell it


def check_space(folder: Path, required: int) -> None:
    """Raise StoreError if fewer than `required` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < required:
        raise StoreError(f"{required / 2**30:g} GiB free at {folder}", f"{free / 2**30:.2f} GiB", "make room")


def load(path: Path, dim: int) -> Any:
    """Open the shard at `path`, made if it does not exist.

    dim: numbers in a vector.
    Raises SpaceMismatch for a shard of another dimension, and whatever the engine raises.
    """
    half, cold = edge.VectorStorageDatatype.Float16, edge.Memory.Cold  # read when asked for, not all while opening
    vector = edge.EdgeVectorParams(size=dim, distance=edge.Distance.Cosine, datatype=half, memory=cold)
    config = edge.EdgeConfig(vectors=vector, optimizers=edge.EdgeOptimizersConfig(indexing_threshold=GRAPH_FROM))
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
    """Give the shard an index per field, also if making them was stopped halfway: searches would be right, but slow.
    This comes before the first point, because the graph gets filter edges only for the indexes it finds."""
    missing = [key for key in PAYLOAD if key not in shard.info().payload_schema]
    for key in missing:
        near = edge.IntegerIndexParams(lookup=key != "rev", range=key == "rev", enable_hnsw=key == "cat")
        shard.update(edge.UpdateOperation.create_field_index(key, near))
    if missing:
        shard.flush()
    return shard


def locked(folder: Path) -> IO[str]:
    """Lock the folder for the life of this process, whose number the lock file holds. Raises StoreBusy."""
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
def engine_faults(folder: Path) -> Iterator[None]:
    """Turn whatever the engine raises inside the block, a panic included, into StoreDamaged."""
    try:
        yield
    except (RetCLIPError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a Rust panic arrives as PanicException, which is no Exception
        todo = "close other programs; if it comes again: remove the folder, it is rebuilt from the archive"
        raise StoreDamaged(f"the vector index {folder} to work", f"{type(error).__name__}: {error}", todo) from error
