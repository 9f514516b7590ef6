"""The results of a store's checks: of its catalog, its indexes, its archive. Plain records, no SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from retclip.store.states import IndexKind, LinkFault, RunKind

RESTORE = "restore the catalog from a backup (docs/team.md); `retclip doctor --store DIR` says what is hurt"


@dataclass(frozen=True)
class CatalogState:
    """The faults of a catalog.

    structure: faults that the database reports of its own files.
    indexes: faults that it reports of the indexes of tables.
    orphans: rows whose parent is gone.
    broken: keys of rows that do not match their checksum, by table.
    checked: the checks that were made, for people.
    """

    structure: tuple[str, ...]
    indexes: tuple[str, ...]
    orphans: tuple[str, ...]
    broken: Mapping[str, Sequence[tuple[Any, ...]]]
    checked: str

    @property
    def whole(self) -> bool:
        """Tell whether there is no fault."""
        return self.rows_whole and not self.indexes

    @property
    def rows_whole(self) -> bool:
        """Tell whether every row is intact: the indexes may be made again from them."""
        return not (self.structure or self.orphans or self.broken)

    def __str__(self) -> str:
        if self.whole:
            return self.checked
        rows = (
            f"rows of {name} that are not what was stored: {len(keys)} ({_shown(keys)})"
            for name, keys in self.broken.items()
        )
        faults = [*self.structure, *self.orphans, *rows, *self.indexes]
        return "; ".join(faults[:4]) + (f"; and {len(faults) - 4} more" if len(faults) > 4 else "")


@dataclass(frozen=True)
class BrokenLink:
    """The first place where the chain of events breaks.

    link: its number; None for a row that no link covers.
    event: the event that it is about.
    reason: what is wrong, for people.
    """

    link: int | None
    event: int
    fault: LinkFault
    reason: str

    def __str__(self) -> str:
        place = f"link {self.link}" if self.link is not None else "no link"
        return f"{self.fault}: {place}, event {self.event}: {self.reason}"


@dataclass(frozen=True)
class ChainState:
    """The state of the chain of events.

    links: how many there are.
    head: the hash of the newest, "" without any.
    broken: the first place where it breaks; None if it is whole.
    since: how many links came after a head that somebody noted; -1 if that head is no link's; None if none was given.
    """

    links: int
    head: str
    broken: BrokenLink | None = None
    since: int | None = None

    @property
    def whole(self) -> bool:
        """Tell whether nothing is broken, and a noted head is there."""
        return self.broken is None and self.since != -1


@dataclass(frozen=True)
class Differences:
    """The differences of an index from SQL and the archive: segment ids per kind.

    missing: in SQL, not in the index.
    orphan: in the index, not in SQL.
    stale: with another class, state or revision.
    damaged: with another vector.
    unfindable: a search for its class and state does not look at it, or another's does.
    pending: rows of the outbox that still wait.
    """

    missing: tuple[UUID, ...]
    orphan: tuple[UUID, ...]
    stale: tuple[UUID, ...]
    damaged: tuple[UUID, ...]
    unfindable: tuple[UUID, ...]
    pending: int

    @property
    def clean(self) -> bool:
        """Tell whether index and truth agree."""
        return not (self.missing or self.orphan or self.stale or self.damaged or self.unfindable)


@dataclass(frozen=True)
class SearchWay:
    """How a process searches a space.

    An exact search in memory is quicker than a scan of the embedded index from some hundred vectors on, three to four
    times for a photo of many masks, and than a walk of its graph up to the memory's limit (benchmarks/README.md); of
    fewer no copy is worth its loading.

    kind: the engine that is set.
    points: vectors of the space.
    bytes: they take in memory.
    memory: bytes that they may take.
    copied_above: points up to which the embedded index scans though a copy would fit.
    """

    kind: IndexKind
    points: int
    bytes: int
    memory: int
    copied_above: int

    @property
    def many(self) -> bool:
        """Tell whether there are so many points that a copy of them in memory is worth its loading."""
        return self.points > self.copied_above

    @property
    def in_memory(self) -> bool:
        """Tell whether an index in memory answers instead of the embedded one."""
        return self.kind == IndexKind.EDGE and self.many and self.bytes <= self.memory


@dataclass(frozen=True)
class Graph:
    """The state of an index's graph.

    points: in the index.
    indexed: in the graph.
    outside: so many points without the graph may be scanned in every search.
    """

    points: int
    indexed: int
    outside: int

    @property
    def due(self) -> bool:
        """Tell whether the graph misses so many points that searches are slow."""
        return self.points - self.indexed > self.outside


@dataclass(frozen=True, order=True)
class Again:
    """The work that makes lost vectors again.

    kind: of the run that made them.
    source: its address.
    proposer: of its masks.
    name: the class that it added or filled, or the class file, "" for a build.
    matched: for a fill that no decision requests any more, the class that it was filled from.
    classes: the classes that a build was limited to; empty for every one.
    recompute: whether the vectors of a class file were made anew, from the photos of `source`.
    """

    kind: RunKind
    source: str
    proposer: str
    name: str = ""
    matched: str = ""
    classes: tuple[str, ...] = ()
    recompute: bool = False


def _shown(keys: Sequence[tuple[Any, ...]]) -> str:
    shown = ", ".join("/".join(str(part)[:60] for part in key) for key in keys[:3])
    return f"{shown}, ..." if len(keys) > 3 else shown
