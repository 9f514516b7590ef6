"""Stored photos as lists show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ListedPhoto:
    """A stored photo with a visible segment.

    id: its row.
    external_id: its name in its data set.
    uri: where it was; sha256: of its file.
    segments: visible ones.
    """

    id: int
    external_id: str
    dataset: str
    uri: str
    sha256: str
    segments: int

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        return {"image": self.external_id, "dataset": self.dataset, "photo": self.uri, "sha256": self.sha256,
                "segments": self.segments}  # fmt: skip


@dataclass(frozen=True)
class ClassCoverage:
    """What stands behind a class.

    id: its row.
    segments, images: visible ones; datasets, runs: names and numbers of where they come from.
    """

    id: int
    name: str
    segments: int
    images: int
    datasets: tuple[str, ...]
    runs: tuple[int, ...]
