"""What checks of a store find: of its catalog, its indexes, its archive. Plain records, no SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from retclip.store.states import RunKind

RESTORE = "restore the catalog from a backup (docs/team.md); `retclip doctor --store DIR` says what is hurt"


@dataclass(frozen=True)
class CatalogState:
    """What is wrong with a catalog.

    structure: what the database says of its own files.
    indexes: what it says of those that find rows.
    orphans: rows whose parent is gone.
    broken: keys of rows that do not match their checksum, by table.
    checked: how it was looked.
    """

    structure: tuple[str, ...]
    indexes: tuple[str, ...]
    orphans: tuple[str, ...]
    broken: Mapping[str, Sequence[tuple[Any, ...]]]
    checked: str

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return self.rows_whole and not self.indexes

    @property
    def rows_whole(self) -> bool:
        """Whether every row is what it was: the indexes may be made again from them."""
        return not (self.structure or self.orphans or self.broken)

    def __str__(self) -> str:
        if self.whole:
            return self.checked
        rows = (
            f"rows of {name} that are not what was stored: {len(keys)} ({_shown(keys)})"
            for name, keys in self.broken.items()
        )
        said = [*self.structure, *self.orphans, *rows, *self.indexes]
        return "; ".join(said[:4]) + (f"; and {len(said) - 4} more" if len(said) > 4 else "")


@dataclass(frozen=True)
class Differences:
    """What an index holds otherwise than SQL and the archive: segment ids per kind.

    missing: wanted, not there.
    orphan: there, not wanted.
    stale: there with another class, state or revision.
    damaged: there with another vector.
    unfindable: there, but a search for its class and state does not look at it, or another's does.
    pending: outbox rows still waiting.
    """

    missing: tuple[UUID, ...]
    orphan: tuple[UUID, ...]
    stale: tuple[UUID, ...]
    damaged: tuple[UUID, ...]
    unfindable: tuple[UUID, ...]
    pending: int

    @property
    def clean(self) -> bool:
        """Whether index and truth agree."""
        return not (self.missing or self.orphan or self.stale or self.damaged or self.unfindable)


@dataclass(frozen=True)
class Graph:
    """How many of an index's points its graph holds; up to `outside` others may be scanned in every search."""

    points: int
    indexed: int
    outside: int

    @property
    def due(self) -> bool:
        """Whether so many points lack the graph that searches are slow."""
        return self.points - self.indexed > self.outside


@dataclass(frozen=True, order=True)
class Again:
    """What makes lost vectors again.

    kind: of the run that made them.
    source: its address.
    proposer: who made its masks.
    name: the class that it added or filled, "" of a build.
    matched: of a fill that no decision wants any more, the class that it was filled from.
    classes: of a build, those that it was told to build; none: every one.
    """

    kind: RunKind
    source: str
    proposer: str
    name: str = ""
    matched: str = ""
    classes: tuple[str, ...] = ()


def _shown(keys: Sequence[tuple[Any, ...]]) -> str:
    shown = ", ".join("/".join(str(part)[:60] for part in key) for key in keys[:3])
    return f"{shown}, ..." if len(keys) > 3 else shown
