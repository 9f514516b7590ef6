"""The feature archive: immutable float16 shards named by their content.

A shard is written once (temporary file, fsync, rename, fsync of the folder), so a name that exists holds whole, right
bytes. With SQL it is the truth from which any vector index is made again without a model.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retclip.errors import StoreDamaged, StoreError
from retclip.own_files import sync_path, write_durably
from retclip.store.crash_points import reach

CURE = "restore it from a backup, or run `retclip doctor --store DIR --repair` and build its sources again"
OPEN_SHARDS = 64  # memory maps kept open; a map costs a file handle, not memory


class Place(Protocol):
    """Where a vector lies."""

    @property
    def shard(self) -> str:
        """The shard's name."""

    @property
    def row_no(self) -> int:
        """The vector's row in it."""

    @property
    def crc32(self) -> int:
        """The row's checksum, see `crc32`."""


class Archive:
    """Shards under `folder`, as `ab/abcdef...npy`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: OrderedDict[str, NDArray[np.float16]] = OrderedDict()

    def path(self, sha256: str) -> Path:
        """Make the path of a shard."""
        return self.folder / sha256[:2] / f"{sha256}.npy"

    def write(self, vectors: NDArray[np.float32]) -> str:
        """Write vectors as float16, and return the shard's name; durable when this returns.

        vectors: (n, d) float32 of unit length, n >= 1.
        Raises StoreError without room on the disk.
        """
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(vectors, dtype="<f2"), allow_pickle=False)
        name = hashlib.sha256(buffer.getbuffer()).hexdigest()
        final = self.path(name)
        if not self.verify(name):  # not there, or damaged: building again repairs it
            self._open.pop(name, None)
            try:
                self._make_folder(final.parent)
                write_durably(final, buffer.getvalue(), reach)
            except OSError as error:
                raise StoreError(f"room for a file in {self.folder}", str(error), "make room, then repeat") from error
        return name

    def rows(self, sha256: str, numbers: NDArray[np.int64], checksums: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read rows of a shard: (n, d) float32 of unit length.

        numbers: (n,) int64 rows.
        checksums: (n,) int64, see `crc32`.
        Raises StoreDamaged for a row that does not match its checksum.
        """
        vectors = self.stored_rows(sha256, numbers, checksums).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # float16 rounding moves the length by up to 1e-3
        return vectors

    def stored_rows(self, sha256: str, numbers: NDArray[np.int64], checksums: NDArray[np.int64]) -> NDArray[np.float16]:
        """Read rows of a shard as they are stored: (n, d) float16. See `rows`."""
        try:
            stored = np.ascontiguousarray(self._map(sha256)[numbers])
        except IndexError as error:
            raise self._unreadable(sha256, error) from error
        wrong = [int(row) for row, vector, crc in zip(numbers, stored, checksums, strict=True) if crc32(vector) != crc]
        if wrong:
            raise StoreDamaged(
                f"rows of {self.path(sha256)} to match the checksums in SQL",
                f"{len(wrong)} that differ, first row {wrong[0]}",
                CURE,
            )
        return stored

    def vectors(self, places: Sequence[Place], dim: int) -> NDArray[np.float32]:
        """Read vectors of any shards: (n, d) float32 of unit length, in the order of their places.

        dim: numbers in a vector.
        Raises StoreDamaged as `rows`.
        """
        return self._gathered(self.rows, places, np.empty((len(places), dim), dtype=np.float32))

    def stored_vectors(self, places: Sequence[Place], dim: int) -> NDArray[np.float16]:
        """Read vectors of any shards as they are stored: (n, d) float16. See `vectors`."""
        return self._gathered(self.stored_rows, places, np.empty((len(places), dim), dtype=np.float16))

    def verify(self, sha256: str) -> bool:
        """Tell whether the shard exists and its bytes match its name."""
        path = self.path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def names(self) -> set[str]:
        """List the names of all shards on disk, referenced or not."""
        return {path.stem for path in self.folder.glob("??/*.npy")}

    @staticmethod
    def _gathered(read: Callable[..., Any], places: Sequence[Place], vectors: NDArray[Any]) -> NDArray[Any]:
        """Fill `vectors` shard by shard, with what `read` returns of each."""
        members: dict[str, list[int]] = {}
        for number, place in enumerate(places):
            members.setdefault(place.shard, []).append(number)
        for shard, numbers in members.items():
            rows = np.array([places[number].row_no for number in numbers], dtype=np.int64)
            checksums = np.array([places[number].crc32 for number in numbers], dtype=np.int64)
            vectors[numbers] = read(shard, rows, checksums)
        return vectors

    def _make_folder(self, folder: Path) -> None:
        """Make a folder durably: a power loss that takes the folder takes its files, too."""
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_path(folder.parent)

    def _map(self, sha256: str) -> NDArray[np.float16]:
        if sha256 not in self._open:
            try:
                self._open[sha256] = np.load(self.path(sha256), mmap_mode="r", allow_pickle=False)
            except Exception as error:  # numpy answers a damaged header with half a dozen kinds, TokenError among them
                raise self._unreadable(sha256, error) from error
            while len(self._open) > OPEN_SHARDS:
                self._open.popitem(last=False)
        self._open.move_to_end(sha256)
        return self._open[sha256]

    def _unreadable(self, sha256: str, error: Exception) -> StoreDamaged:
        got = f"{type(error).__name__}: {error}"
        return StoreDamaged(f"a readable shard {self.path(sha256)}", got, CURE)


def crc32(vector: NDArray[np.float16]) -> int:
    """Compute the CRC-32 of a vector's little-endian float16 bytes.

    vector: (d,) float16.
    """
    return zlib.crc32(np.ascontiguousarray(vector, dtype="<f2").tobytes())
