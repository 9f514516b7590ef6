"""The vector index: one small protocol, three engines (`edge`, `server`, `resident`).

An index only answers what is near. It is disposable: SQL and the feature archive are the truth, and
`store.index.sync` makes the index follow them. So an index holds integers beside each vector and no names at all.
Distance is cosine distance, 1 - similarity, in [0, 2]; that conversion is made here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.errors import ShapeError
from retclip.shapes import check_shape
from retclip.store.findings import Graph

if TYPE_CHECKING:
    from torch import Tensor

# The integers beside each vector: class, image, data set, state (0 = searchable), revision, run.
PAYLOAD = ("cat", "img", "ds", "st", "rev", "run")
# hnsw_ef of a server's search by a graph: with the default 0.951 of the true neighbours were found, with this 0.986
# (stores.md 1.3); fewer in frequent classes (benchmarks/README.md).
WIDE_SEARCH = 256
# The same of the embedded index, which walks only where a scan would take longer: 256 finds 0.92 of the neighbours at
# 100,000, 1024 0.97, this 0.98. And of a search with any filter that may not scan: 1024 finds 0.85 at 200,000, 2048
# 0.90, where some points are hidden (benchmarks/README.md), so its answer says so.
WIDEST_SEARCH = 4096
# Bound of a distance between float16 vectors: each lies at most 2^-11 from its float32 self, the query, too.
HALF_ROUNDING = 2 * 2.0**-11 + 2.0**-16
CLASS, STATE, REVISION = PAYLOAD.index("cat"), PAYLOAD.index("st"), PAYLOAD.index("rev")


@dataclass(frozen=True, eq=False)
class Points:
    """Vectors to be written, with the integers beside them.

    ids: n UUIDs.
    vectors: (n, d) float32 of unit length.
    payload: (n, 6) int64, columns as in PAYLOAD.
    """

    ids: Sequence[UUID]
    vectors: NDArray[np.float32]
    payload: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Hits:
    """The nearest points of each query, nearest first.

    ids: (q, k) object, None = none.
    classes: (q, k) int64 of the payload, -1 = none.
    distances: (q, k) float32 in [0, 2], inf = none.
    """

    ids: NDArray[np.object_]
    classes: NDArray[np.int64]
    distances: NDArray[np.float32]


class VectorIndex(Protocol):
    """The methods that the feature store needs of an index. Each may be repeated; order between batches is free."""

    dim: int
    rounding: float  # how far a distance that it answers may be from that of the archive's vector

    def upsert(self, points: Points) -> None:
        """Insert or replace; a stored point with the same or a newer revision stays as it is. The whole batch is
        checked by `check_points` before anything is written, and it is durable when this returns."""

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove; unknown ids are no error. Durable when this returns."""

    def search(self, queries: Tensor, k: int, classes: Sequence[int] | None = None) -> Hits:
        """Find the k nearest points with state 0 of each query.

        queries: (q, d) float32 of unit length.
        k: points per query.
        classes: None for all.
        """

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """Find the k nearest points with state 0 of *each* class: (q, len(classes) * k), nearest first over all."""

    def search_where(self, queries: Tensor, k: int, where: Mapping[str, Sequence[int]], exact: bool = True) -> Hits:
        """Find the k nearest points of each query whose integers are among the allowed ones, whatever their state.

        where: allowed values by the name of the integer, see PAYLOAD; one that is not named may have any value.
        exact: scan; else the graph may be walked, where there is one.
        """

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """Read every point's id and payload row (6,) int64, in any order; for the reconcile job."""

    def filtered(self, category: int, state: int) -> Iterator[UUID]:
        """Read the ids of the points that a search for that class and state looks among; for verification. A filter is
        answered from other data than the payload that `scan` reads."""

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """Read the vectors (d,) of those ids that are stored; for verification."""

    def count(self) -> int:
        """Count the points, whatever their state."""

    def graph(self) -> Graph | None:
        """Count the points in the graph; None if there is no graph, or another program builds it."""

    def keep_up(self) -> None:
        """Build the graph if this object has written and the graph misses too many points: at the end of a build, an
        addition or a load. A failure is logged. May take minutes; changes no answer's meaning."""

    def optimize(self) -> None:
        """Build the graph over all that is stored; may take minutes and changes no answer's meaning."""

    def close(self) -> None:
        """Release files and locks; safe to call twice."""


def check_points(points: Points, dim: int) -> None:
    """Refuse a batch that an engine would half-apply or silently keep: wrong sizes, NaN, Inf, length not 1.

    Qdrant accepts NaN and applies the good rows of a bad batch (stores.md 1.6), so this runs before every write.
    """
    sizes = check_shape("vectors", points.vectors, "n d", {"n": len(points.ids), "d": dim})
    check_shape("payload", points.payload, f"n {len(PAYLOAD)}", sizes)
    lengths = np.linalg.norm(points.vectors.astype(np.float64), axis=1)
    bad = np.flatnonzero(~(np.abs(lengths - 1.0) < 1e-2))  # ~(...) also catches NaN; float16 rounding stays below
    if bad.size:
        first = points.ids[int(bad[0])]
        raise ShapeError(
            "finite vectors of length 1",
            f"length {lengths[bad[0]]:g} at segment {first} ({bad.size} such of {len(points)})",
            "normalise the backbone's vectors and drop uncovered masks",
        )


def payload_row(payload: Mapping[str, Any] | None) -> NDArray[np.int64]:
    """Read the integers beside a vector, (6,) int64; -1 for a missing value or no integer, which is damage."""
    values = (payload or {}).get
    return np.array([value if isinstance(value := values(key), int) else -1 for key in PAYLOAD], dtype=np.int64)


def empty_hits(queries: int, k: int) -> Hits:
    """Make hits without a neighbour: (queries, k) places."""
    return Hits(
        np.full((queries, k), None, dtype=object),
        np.full((queries, k), -1, dtype=np.int64),
        np.full((queries, k), np.inf, dtype=np.float32),
    )


def query_rows(queries: Tensor) -> list[list[float]]:
    """Turn queries (q, d) into the lists of numbers that an engine takes."""
    rows: list[list[float]] = queries.float().cpu().tolist()
    return rows


def gathered(parts: Sequence[Sequence[Sequence[Any]]], queries: int, width: int) -> Hits:
    """Turn an engine's scored points (id, score = cosine similarity, payload) into arrays.

    parts: one or several searches, each with a list of points per query; a query's points are merged, nearest first.
    queries: how many there were.
    width: places per query.
    """
    hits = empty_hits(queries, width)
    for row in range(queries):
        points = [(-p.score, as_uuid(p.id), p.payload[PAYLOAD[CLASS]]) for part in parts for p in part[row]]
        if not points:
            continue
        points.sort()  # of equal scores the smaller id first
        negated, ids, classes = zip(*points, strict=True)
        hits.ids[row, : len(points)] = ids
        hits.classes[row, : len(points)] = classes
        hits.distances[row, : len(points)] = np.clip(1.0 + np.array(negated), 0.0, 2.0)
    return hits


def as_uuid(point_id: Any) -> UUID:
    """Return an engine's id of a point, a UUID or its text."""
    return point_id if isinstance(point_id, UUID) else UUID(str(point_id))
