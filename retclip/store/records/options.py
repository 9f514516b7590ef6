"""The engines behind a store."""

from __future__ import annotations

from dataclasses import dataclass

from retclip.store.states import IndexKind


@dataclass(frozen=True)
class StoreOptions:
    """The engines behind a store. Raises ConfigError for an index of another kind.

    database: an SQLAlchemy URL, "" for SQLite in the store's folder.
    qdrant_timeout: seconds in which a server must answer a call, tries included.
    exact_below: points that the embedded index may scan where memory has no room for a copy; more get a graph.
    device: where a resident index lives.
    """

    database: str = ""
    index: IndexKind = IndexKind.EDGE
    qdrant_url: str = ""
    qdrant_api_key: str = ""
    qdrant_timeout: float = 30.0
    exact_below: int = 20_000
    device: str = "cpu"

    def __post_init__(self) -> None:
        IndexKind(self.index)
