"""A Qdrant server or cluster: a collection for each index. How it is called, and what is an error: `server_calls`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from torch import Tensor

from retclip.errors import SpaceMismatch, StoreDamaged, StoreError
from retclip.store.index.protocol import (
    HALF_ROUNDING,
    PAYLOAD,
    REVISION,
    WIDE_SEARCH,
    WIDEST_SEARCH,
    Hits,
    Points,
    as_uuid,
    check_points,
    gathered,
    payload_row,
    query_rows,
)
from retclip.store.index.server_calls import FIRST_PAUSE, IN_MEMORY, TRIES, ServerCalls, connect

__all__ = ["IN_MEMORY", "TRIES", "ServerIndex"]
BATCH = 256  # points per upsert; the makers advise 64-256
SCROLL = 2048
QUERIES = 128  # searches per request: 128 x 768 numbers as JSON stay far below the server's 32 MB
# The first version that updates a point only where a condition holds; older ones pass over it silently.
OLDEST = (1, 16)
ORDERING = models.WriteOrdering.STRONG  # of every write: an upsert must not be overtaken by a delete, nor the reverse


class ServerIndex:
    """One collection of a server. Use `open`. Several processes may write: the revision guard orders them."""

    rounding = HALF_ROUNDING

    def __init__(self, client: QdrantClient, calls: ServerCalls, dim: int) -> None:
        self.url, self.name, self.dim = calls.url, calls.collection, dim
        self._client, self._call = client, calls

    @classmethod
    def open(
        cls, url: str, name: str, dim: int, api_key: str = "", timeout: float = 30.0, first_pause: float = FIRST_PAUSE
    ) -> ServerIndex:
        """Connect, and make the collection if it does not exist.

        url: http(s)://host:port, or ":memory:" for tests.
        name: the collection's.
        dim: numbers in a vector.
        timeout: seconds in which a call must be answered, tries included.
        first_pause: seconds before the second try.
        Raises ConfigError for an unusable address or key, StoreError for an unusable server, SpaceMismatch.
        """
        index = cls(connect(url, api_key, timeout), ServerCalls(url, name, timeout, first_pause), dim)
        index._prepare()
        return index

    def upsert(self, points: Points) -> None:
        """See VectorIndex. The guard compares with one number per request, so a batch goes revision by revision."""
        check_points(points, self.dim)
        revisions = points.payload[:, REVISION]
        for revision in np.unique(revisions).tolist():
            rows = np.flatnonzero(revisions == revision)
            for start in range(0, len(rows), BATCH):
                self._upsert(points, rows[start : start + BATCH], revision)

    def delete(self, ids: Sequence[UUID]) -> None:
        """See VectorIndex."""
        for start in range(0, len(ids), BATCH):
            page = models.PointIdsList(points=[str(point_id) for point_id in ids[start : start + BATCH]])
            self._write(self._client.delete, self.name, page, wait=True, ordering=ORDERING)

    def search(self, queries: Tensor, k: int, classes: Sequence[int] | None = None) -> Hits:
        """See VectorIndex."""
        answers = self._query([(row, classes) for row in query_rows(queries)], k)
        return self._gathered([answers], len(queries), k)

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """See VectorIndex: one filtered query per mask and class. Grouped queries would miss rare classes, because
        they group what a plain search found (stores.md 1.2)."""
        rows = query_rows(queries)
        parts = [self._query([(row, [category]) for row in rows], k) for category in classes]
        return self._gathered(parts, len(rows), k * len(classes))

    def search_where(self, queries: Tensor, k: int, where: Mapping[str, Sequence[int]], exact: bool = True) -> Hits:
        """See VectorIndex."""
        must: list[Any] = [
            models.FieldCondition(key=key, match=models.MatchAny(any=list(values))) for key, values in where.items()
        ]
        chosen = models.Filter(must=must) if must else None
        walk = models.SearchParams(hnsw_ef=max(WIDEST_SEARCH, k))
        params = None if self.url == IN_MEMORY else models.SearchParams(exact=True) if exact else walk
        answers = self._asked([(row, chosen) for row in query_rows(queries)], k, params)
        return self._gathered([answers], len(queries), k)

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """See VectorIndex."""
        yield from self._scroll(lambda record: (as_uuid(record.id), payload_row(record.payload)), with_payload=True)

    def filtered(self, category: int, state: int) -> Iterator[UUID]:
        """See VectorIndex."""
        of_class, of_state = (
            models.FieldCondition(key=key, match=models.MatchValue(value=number))
            for key, number in (("cat", category), ("st", state))
        )
        condition = models.Filter(must=[of_state, of_class])
        yield from self._scroll(lambda record: as_uuid(record.id), scroll_filter=condition, with_payload=False)

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """See VectorIndex."""
        stored: dict[UUID, NDArray[np.float32]] = {}
        for start in range(0, len(ids), BATCH):
            page = [str(point_id) for point_id in ids[start : start + BATCH]]
            stored |= self._call(lambda page: _vectors(self._client.retrieve(self.name, page, with_vectors=True)), page)
        return stored

    def count(self) -> int:
        """See VectorIndex."""
        return self._call(lambda: int(self._client.count(self.name, exact=True).count))

    def graph(self) -> None:
        """None: a server builds its own by itself, in the background."""

    def keep_up(self) -> None:
        """See `graph`."""

    def optimize(self) -> None:
        """See `graph`."""

    def close(self) -> None:
        """See VectorIndex."""
        self._client.close()

    def _prepare(self) -> None:
        if self.url != IN_MEMORY:
            self._require_version(self._call(lambda: str(self._client.info().version)))
        if not self._call(self._client.collection_exists, self.name):
            self._call(self._create)
        size, fields = self._call(lambda: _shape(self._client.get_collection(self.name)))
        if size != self.dim:
            raise SpaceMismatch(
                f"collection {self.name!r} at {self.url} with {self.dim} dimensions",
                f"{size}",
                "use the backbone that built this store, or delete the collection: it is rebuilt from the archive",
            )
        if self.url != IN_MEMORY:  # which has no payload indexes
            self._call(self._index_fields, fields)

    def _require_version(self, version: str) -> None:
        numbers = re.match(r"v?(\d+)\.(\d+)", version)
        if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            todo = "update the server (docker-compose.yml names a version that works), or use another --set store.index"
            raise StoreError(
                f"a Qdrant server of version {oldest} or newer at {self.url}, which guards updates by a condition",
                repr(version), todo,
            )  # fmt: skip

    def _create(self) -> None:
        """Make the collection; a second process may be making it at the same moment."""
        half = models.Datatype.FLOAT16  # 0.9994 of the exact float32 top 16 (stores.md 1.1)
        strict = models.StrictModeConfig(
            enabled=True, unindexed_filtering_retrieve=False, unindexed_filtering_update=False
        )
        try:
            self._client.create_collection(
                self.name,
                models.VectorParams(size=self.dim, distance=models.Distance.COSINE, datatype=half),
                strict_mode_config=strict,
            )
        except (UnexpectedResponse, ValueError):
            if not self._client.collection_exists(self.name):
                raise

    def _index_fields(self, indexed: Mapping[str, Any]) -> None:
        """Make an index per field, also if making them was stopped halfway: without them strict mode refuses searches.
        This comes before the first point, because the graph gets filter edges only for the indexes it finds."""
        for key in (key for key in PAYLOAD if key not in indexed):
            near = models.IntegerIndexParams(
                type=models.IntegerIndexType.INTEGER, lookup=key != "rev", range=key == "rev", enable_hnsw=key == "cat"
            )
            self._client.create_payload_index(self.name, key, near, wait=True)

    def _upsert(self, points: Points, rows: NDArray[np.int64], revision: int) -> None:
        batch = [
            models.PointStruct(
                id=str(points.ids[n]),
                vector=points.vectors[n].tolist(),
                payload=dict(zip(PAYLOAD, points.payload[n].tolist(), strict=True)),
            )
            for n in rows.tolist()
        ]
        older = models.Filter(must=[models.FieldCondition(key="rev", range=models.Range(lt=revision))])
        self._write(self._client.upsert, self.name, batch, wait=True, update_filter=older, ordering=ORDERING)

    def _query(self, rows: Sequence[tuple[list[float], Sequence[int] | None]], k: int) -> list[list[Any]]:
        params = None if self.url == IN_MEMORY else models.SearchParams(hnsw_ef=max(WIDE_SEARCH, k))
        return self._asked([(row, _filter(classes)) for row, classes in rows], k, params)

    def _asked(
        self, rows: Sequence[tuple[list[float], models.Filter | None]], k: int, params: models.SearchParams | None
    ) -> list[list[Any]]:
        answers: list[list[Any]] = []
        for start in range(0, len(rows), QUERIES):
            requests = [
                models.QueryRequest(query=row, limit=k, with_payload=True, filter=chosen, params=params)
                for row, chosen in rows[start : start + QUERIES]
            ]
            answers += self._call(self._answers, requests)
        return answers

    def _answers(self, requests: Sequence[models.QueryRequest]) -> list[list[Any]]:
        answers = [answer.points for answer in self._client.query_batch_points(self.name, requests)]
        if len(answers) != len(requests):
            raise ValueError(f"{len(answers)} answers to {len(requests)} questions")
        return answers

    def _gathered(self, parts: Sequence[Sequence[Sequence[Any]]], queries: int, width: int) -> Hits:
        try:
            return gathered(parts, queries, width)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            got, todo = f"{type(error).__name__}: {error}", "run `retclip doctor --store DIR --repair`"
            raise StoreDamaged(f"points of collection {self.name!r} with their payload", got, todo) from error

    def _scroll(self, read: Callable[[Any], Any], **options: Any) -> Iterator[Any]:
        """Read every point of the collection, page by page, each through `read`."""

        def page(offset: Any) -> tuple[list[Any], Any]:
            records, following = self._client.scroll(self.name, limit=SCROLL, offset=offset, **options)
            return [read(record) for record in records], following

        offset: Any = None
        while True:
            items, offset = self._call(page, offset)
            yield from items
            if offset is None:
                return

    def _write(self, action: Callable[..., models.UpdateResult], *args: Any, **options: Any) -> None:
        """A write is done only when the server says completed: `wait_timeout` comes back as a plain answer."""

        def done() -> None:
            status = action(*args, **options).status
            if status is not models.UpdateStatus.COMPLETED:
                raise TimeoutError(f"the write is {status.value}, not completed")

        self._call(done)


def _shape(about: models.CollectionInfo) -> tuple[int | None, Mapping[str, Any]]:
    """Read the size of a collection's vectors, and its indexed fields."""
    params = about.config.params.vectors
    return (params.size if isinstance(params, models.VectorParams) else None), about.payload_schema or {}


def _vectors(records: Sequence[models.Record]) -> dict[UUID, NDArray[np.float32]]:
    stored = {record.id: record.vector for record in records if isinstance(record.vector, list)}
    return {as_uuid(point_id): np.asarray(vector, np.float32) for point_id, vector in stored.items()}


def _filter(classes: Sequence[int] | None) -> models.Filter:
    must: list[Any] = [models.FieldCondition(key="st", match=models.MatchValue(value=0))]
    if classes is not None:
        must.append(models.FieldCondition(key="cat", match=models.MatchAny(any=list(classes))))
    return models.Filter(must=must)
