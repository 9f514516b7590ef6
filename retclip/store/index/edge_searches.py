"""The searches of a Qdrant Edge shard that `nearest_in_classes` puts together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge

from retclip.store.index.nearest_in_classes import Found, Row
from retclip.store.index.protocol import WIDEST_SEARCH

WIDE_WITHIN = 512  # in one class the links are fewer: with this 0.97 to 0.98 are found (benchmarks/README.md)
ALL_CLASSES = 1 << 20


def class_sizes(shard: Any) -> Mapping[int, int]:
    """Count the points with state 0 of each class."""
    request = edge.FacetRequest(key="cat", limit=ALL_CLASSES, exact=True, filter=_filter(None))
    return {int(hit.value): int(hit.count) for hit in shard.facet(request).hits}


@dataclass(frozen=True)
class EdgeSearches:
    """See `nearest_in_classes.Engine`."""

    shard: Any
    known_sizes: Mapping[int, int]

    def sizes(self) -> Mapping[int, int]:
        """See Engine."""
        return self.known_sizes

    def scan(self, rows: Sequence[Row], k: int, classes: Sequence[int] | None) -> Found:
        """See Engine."""
        return self._query(rows, k, _filter(classes), edge.SearchParams(exact=True))

    def walk(self, rows: Sequence[Row], k: int) -> Found:
        """See Engine."""
        return self._query(rows, k, None, edge.SearchParams(hnsw_ef=max(WIDEST_SEARCH, k)))

    def walk_within(self, rows: Sequence[Row], k: int, classes: Sequence[int]) -> Found:
        """See Engine."""
        return self._query(rows, k, _filter(classes), edge.SearchParams(hnsw_ef=max(WIDE_WITHIN, k)))

    def where(self, rows: Sequence[Row], k: int, allowed: Mapping[str, Sequence[int]], exact: bool) -> Found:
        """Find the k nearest points whose integers are among the allowed ones; see `VectorIndex.search_where`."""
        must: list[Any] = [
            edge.FieldCondition(key, match=edge.MatchAny(list(values))) for key, values in allowed.items()
        ]
        params = edge.SearchParams(exact=True) if exact else edge.SearchParams(hnsw_ef=max(WIDEST_SEARCH, k))
        return self._query(rows, k, edge.Filter(must=must) if must else None, params)

    def _query(self, rows: Sequence[Row], k: int, chosen: Any, params: Any) -> Found:
        payload = edge.PayloadSelector.Include(["cat", "st"])
        requests = [
            edge.QueryRequest(
                limit=k, query=edge.Query.Nearest(row), with_payload=payload, filter=chosen, params=params
            )
            for row in rows
        ]
        answers: Found = self.shard.query_batch(edge.QueryBatchRequest(requests)) if requests else []
        return answers


def _filter(classes: Sequence[int] | None) -> Any:
    must: list[Any] = [edge.FieldCondition("st", match=edge.MatchValue(0))]
    if classes is not None:
        must.append(edge.FieldCondition("cat", match=edge.MatchAny(list(classes))))
    return edge.Filter(must=must)
