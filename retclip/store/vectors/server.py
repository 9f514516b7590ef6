"""A Qdrant server or cluster, and the only importer of qdrant_client.

The client retries nothing by itself and lets a proxy's HTML page through as a JSON error (stores.md 1.4). So every call
goes through `_call`: what may pass is tried again with growing pauses, what will not is a typed error at once. All
calls may be repeated: upserts are guarded by the revision, deletes go by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random
from torch import Tensor

from retclip.errors import ConfigError, SpaceMismatch, StoreError
from retclip.store.vectors import PAYLOAD, REVISION, Hits, Points, check_points, gathered

Answer = TypeVar("Answer")
BATCH = 256  # points per upsert; the makers advise 64-256
SCROLL = 2048
QUERIES = 128  # searches per request: 128 x 768 numbers as JSON stay far below the server's 32 MB
WIDE_SEARCH = 256  # hnsw_ef; recall 0.986 instead of 0.951 (stores.md 1.3)
TRIES, FIRST_PAUSE, LONGEST_PAUSE = 5, 0.2, 30.0  # seconds
IN_MEMORY = ":memory:"


class ServerIndex:
    """One collection of a server. Use `open`. Several processes may write: the revision guard orders them."""

    def __init__(self, client: QdrantClient, url: str, name: str, dim: int, first_pause: float = FIRST_PAUSE) -> None:
        self.url, self.name, self.dim = url, name, dim
        self._client, self._first_pause = client, first_pause

    @classmethod
    def open(
        cls, url: str, name: str, dim: int, api_key: str = "", timeout: int = 30, first_pause: float = FIRST_PAUSE
    ) -> ServerIndex:
        """Connect, and make the collection where it is not there. url: http(s)://host:port, or ":memory:" for tests.
        Raises ConfigError for no url, StoreError where the server cannot be used, SpaceMismatch."""
        if url != IN_MEMORY and not url.startswith(("http://", "https://")):
            raise ConfigError("store.qdrant_url like http://127.0.0.1:6333", repr(url), "set it for store.index=server")
        local = {"location": IN_MEMORY} if url == IN_MEMORY else {"url": url, "api_key": api_key or None}
        try:
            client = QdrantClient(**local, timeout=timeout, check_compatibility=False)
        except Exception as error:  # its URL parser and its transport raise kinds of their own
            todo = "set store.qdrant_url like http://127.0.0.1:6333"
            raise ConfigError("the address of a Qdrant server", f"{url!r}: {error}", todo) from error
        index = cls(client, url, name, dim, first_pause)
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
            page = models.PointIdsList(points=[str(one) for one in ids[start : start + BATCH]])
            self._write(self._client.delete, self.name, page, wait=True, ordering=models.WriteOrdering.STRONG)

    def search(self, queries: Tensor, k: int, classes: Sequence[int] | None = None) -> Hits:
        """See VectorIndex."""
        found = self._query([(row, classes) for row in _rows(queries)], k)
        return gathered([found], len(queries), k)

    def search_per_class(self, queries: Tensor, k: int, classes: Sequence[int]) -> Hits:
        """See VectorIndex: one filtered query per mask and class. Grouped queries would miss rare classes, because
        they group what a plain search found (stores.md 1.2)."""
        rows = _rows(queries)
        parts = [self._query([(row, [one]) for row in rows], k) for one in classes]
        return gathered(parts, len(rows), k * len(classes))

    def scan(self) -> Iterator[tuple[UUID, NDArray[np.int64]]]:
        """See VectorIndex."""
        offset: Any = None
        while True:
            records, offset = self._call(self._client.scroll, self.name, limit=SCROLL, offset=offset, with_payload=True)
            for one in records:
                yield UUID(str(one.id)), np.array([(one.payload or {})[key] for key in PAYLOAD], dtype=np.int64)
            if offset is None:
                return

    def vectors(self, ids: Sequence[UUID]) -> dict[UUID, NDArray[np.float32]]:
        """See VectorIndex."""
        found = {}
        for start in range(0, len(ids), BATCH):
            page = [str(one) for one in ids[start : start + BATCH]]
            for one in self._call(self._client.retrieve, self.name, page, with_vectors=True):
                if one.vector is not None:
                    found[UUID(str(one.id))] = np.asarray(one.vector, dtype=np.float32)
        return found

    def count(self) -> int:
        """See VectorIndex."""
        return int(self._call(self._client.count, self.name, exact=True).count)

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
        if not self._call(self._client.collection_exists, self.name):
            self._call(self._create)
        found = self._call(self._client.get_collection, self.name)
        params = found.config.params.vectors
        size = params.size if isinstance(params, models.VectorParams) else None
        if size != self.dim:
            raise SpaceMismatch(
                f"collection {self.name!r} at {self.url} with {self.dim} dimensions",
                f"{size}",
                "use the backbone that built this store, or delete the collection: it is rebuilt from the archive",
            )
        if self.url != IN_MEMORY:  # which has no payload indexes
            self._call(self._index_fields, found.payload_schema or {})

    def _create(self) -> None:
        """The collection; a second process may be making it at the same moment."""
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

    def _index_fields(self, there: Mapping[str, Any]) -> None:
        """An index per field, also where making them was stopped halfway: without them strict mode refuses searches.
        Before the first point, because the graph gets filter edges only for the indexes it finds."""
        for key in (key for key in PAYLOAD if key not in there):
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
        self._write(self._client.upsert, self.name, batch, wait=True, update_filter=older)

    def _query(self, rows: Sequence[tuple[list[float], Sequence[int] | None]], k: int) -> list[list[Any]]:
        params = None if self.url == IN_MEMORY else models.SearchParams(hnsw_ef=max(WIDE_SEARCH, k))
        found: list[list[Any]] = []
        for start in range(0, len(rows), QUERIES):
            requests = [
                models.QueryRequest(query=row, limit=k, with_payload=True, filter=_filter(classes), params=params)
                for row, classes in rows[start : start + QUERIES]
            ]
            answers = self._call(self._client.query_batch_points, self.name, requests)
            found += [answer.points for answer in answers]
        return found

    def _write(self, action: Callable[..., models.UpdateResult], *args: Any, **options: Any) -> None:
        """A write is done only when the server says completed: `wait_timeout` comes back as a plain answer."""

        def done() -> None:
            status = action(*args, **options).status
            if status is not models.UpdateStatus.COMPLETED:
                raise TimeoutError(f"the write is {status.value}, not completed")

        self._call(done)

    def _call(self, action: Callable[..., Answer], *args: Any, **options: Any) -> Answer:
        retrying = Retrying(
            retry=retry_if_exception(_may_pass), stop=stop_after_attempt(TRIES), wait=self._pause, reraise=True
        )
        try:
            return retrying(action, *args, **options)
        except (ResourceExhaustedResponse, ResponseHandlingException, UnexpectedResponse, OSError, ValueError) as error:
            raise _as_store_error(error, self.url, self.name) from error

    def _pause(self, state: RetryCallState) -> float:
        """Exponential with jitter, or what the server asked for."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ResourceExhaustedResponse):
            return min(float(error.retry_after_s), LONGEST_PAUSE)
        growing = wait_exponential(multiplier=self._first_pause, max=LONGEST_PAUSE)
        return growing(state) + wait_random(0, self._first_pause)(state)


def _may_pass(error: BaseException) -> bool:
    """Too busy, unreachable, a server's own fault, or an answer that broke off; a refusal will be one again."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code is None or error.status_code >= 500
    return isinstance(error, ResourceExhaustedResponse | ResponseHandlingException | TimeoutError | ConnectionError)


def _as_store_error(error: Exception, url: str, name: str) -> StoreError:
    status = error.status_code if isinstance(error, UnexpectedResponse) else None
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if status in (401, 403):
        todo = "set RETCLIP_STORE__QDRANT_API_KEY to a key that may read and write"
    elif isinstance(error, ValueError):
        todo = "check store.qdrant_url: something that is no Qdrant server answers there"
    elif status is not None and status < 500:
        todo = "check the server's version and limits, and run `retclip doctor`"
    else:
        todo = f"check that the server runs and is reachable, then repeat; {TRIES} tries were made"
    return StoreError(f"collection {name!r} at {url} to answer", first_line, todo)


def _rows(queries: Tensor) -> list[list[float]]:
    rows: list[list[float]] = queries.float().cpu().tolist()
    return rows


def _filter(classes: Sequence[int] | None) -> models.Filter:
    must: list[Any] = [models.FieldCondition(key="st", match=models.MatchValue(value=0))]
    if classes is not None:
        must.append(models.FieldCondition(key="cat", match=models.MatchAny(any=list(classes))))
    return models.Filter(must=must)
