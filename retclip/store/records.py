"""What passes the door of a store: plain records of what is planned, found, decided and stored. No SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retclip.names import MatchKind, name_key
from retclip.passed_over import PassedOver
from retclip.store.states import Action, Decision, GapReason, IndexKind, LabelSource, RunKind
from retclip.types import FeatureSpace

ACTOR_WIDTH = 120  # characters that are kept of who did something


@dataclass(frozen=True)
class StoreOptions:
    """Which engines stand behind a store. Raises ConfigError for an index of another kind.

    database: an SQLAlchemy URL, "" for SQLite in the store's folder.
    qdrant_timeout: seconds in which a server must answer a call, tries included.
    exact_below: points that the embedded index may scan; for more it builds a graph.
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


# Runs and units of work


@dataclass(frozen=True)
class RunPlan:
    """What a run is about to do. Raises ConfigError for an unknown kind.

    recipe: fingerprint of proposer, version and settings: with another one, finished units are done again.
    components: by role: name, version, settings_sha256, weights.
    """

    kind: RunKind
    source: str
    dataset: str
    proposer: str
    proposer_version: str
    proposer_settings: Mapping[str, Any]
    recipe: str
    space: FeatureSpace
    config: Mapping[str, Any]
    program: str
    components: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        RunKind(self.kind)


@dataclass(frozen=True)
class OpenRun:
    """The rows that a started run refers to."""

    id: int
    dataset_id: int
    proposer_id: int
    space_id: int
    proposer: str
    recipe: str
    kind: RunKind


@dataclass(frozen=True)
class Failure:
    """An image that could not be used, and why."""

    external_id: str
    uri: str
    reason: str
    attempts: int = 1

    def __str__(self) -> str:
        return f"{self.external_id}: {self.reason}"


@dataclass(frozen=True)
class UnitStates:
    """What the ledger says of units.

    finished: keys that need no more work.
    poisoned: by key those that failed too often.
    suspects: keys on which a process died.
    """

    finished: frozenset[str]
    poisoned: Mapping[str, Failure]
    suspects: frozenset[str]


@dataclass(frozen=True)
class Wanted:
    """A unit that somebody wants to work on."""

    key: str
    external_id: str
    uri: str


@dataclass(frozen=True)
class Taken:
    """What came of the wish to work on units.

    mine: leased now.
    elsewhere: another living process works on them.
    given_up: a process died of them too often.
    """

    mine: frozenset[str]
    elsewhere: frozenset[str]
    given_up: tuple[Failure, ...]


@dataclass(frozen=True)
class NewSegment:
    """A segment to be stored.

    box: x, y, width, height, in pixels of the upright image.
    rle: COCO compressed counts.
    score: the proposer's objectness, [0, 1].
    detector_score, mask_score: what it was made of, [0, 1], None where there is no such model.
    """

    prompt: str
    ordinal: int
    box: tuple[int, int, int, int]
    area: int
    score: float
    rle: bytes
    label_source: LabelSource
    confidence: float
    detector_score: float | None = None
    mask_score: float | None = None


@dataclass(frozen=True, eq=False)
class UnitResult:
    """One image's finished work.

    content: digest of annotation and recipe.
    size: (H, W) of the upright image.
    prompts: every class that was asked for, found or not: their slots are filled anew.
    vectors: (n, d) float32 of unit length, a row per segment.
    absent: classes that the source says the image does not show.
    passed_over: of the image and its annotation.
    """

    key: str
    content: str
    external_id: str
    uri: str
    image_sha256: str
    size: tuple[int, int]
    prompts: tuple[str, ...]
    segments: tuple[NewSegment, ...]
    vectors: NDArray[np.float32]
    absent: tuple[str, ...] = ()
    passed_over: PassedOver = field(default_factory=PassedOver)


# Classes and segments


@dataclass(frozen=True)
class StoreClass:
    """A class of the store and how much stands behind it.

    is_thing: None where nobody said.
    segments: visible ones.
    images: with at least one of them.
    """

    id: int
    name: str
    is_thing: bool | None
    aliases: tuple[str, ...]
    segments: int
    images: int


@dataclass(frozen=True)
class StoredSegment:
    """A segment of the store as people read it: what it is called, who said so, and where it came from.

    labelled_by: a run or a person.
    box: x0, y0, x1, y1, in pixels of the upright image, x1 and y1 exclusive.
    status: normal, quarantined or retired.
    prompt: the name key of the class that was asked for.
    score: the proposer's objectness, [0, 1].
    detector_score, mask_score: [0, 1], None where there was no such model, or nobody wrote it down.
    source: the address that the run read.
    components: of the run, by role; empty for a run older than these records.
    """

    id: UUID
    class_name: str
    label_source: LabelSource
    confidence: float
    labelled_by: str
    image_sha256: str
    image_uri: str
    dataset: str
    box: tuple[int, int, int, int]
    area: int
    proposer: str
    run: int
    status: str
    prompt: str
    score: float
    detector_score: float | None
    mask_score: float | None
    proposer_version: str
    source: str
    components: Mapping[str, Any]


@dataclass(frozen=True)
class HistoryEvent:
    """A change of the store, by a person or a run.

    target: the class as it was called then, or the source of a build; of an undo the number of what it took back.
    now: what the class is called since, its new alias, or what it was merged into; "" for other actions.
    segments: of how many it speaks.
    runs: that speak under it, oldest first.
    source, dataset: what the newest of them read, "" without one.
    undoes: the event that it took back.
    undone_by: the event that took it back.
    """

    id: int
    at: datetime
    actor: str
    action: Action
    target: str
    now: str = ""
    segments: int = 0
    runs: tuple[int, ...] = ()
    source: str = ""
    dataset: str = ""
    undoes: int | None = None
    undone_by: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "at": f"{self.at:%Y-%m-%dT%H:%M:%S}"}


@dataclass(frozen=True)
class SegmentState:
    """What a segment was as of an event. visible: neither retired nor quarantined. mask: its number, from 1 on."""

    class_name: str
    visible: bool
    mask: int
    labelled_by: str


@dataclass(frozen=True)
class SegmentChange:
    """A segment that two events leave differently. before, after: None where the store did not have it."""

    id: UUID
    before: SegmentState | None
    after: SegmentState | None


@dataclass(frozen=True)
class ClassChange:
    """A class that two events leave differently: name, aliases and what it was merged into, before and after. A name is
    None where the store did not have the class, or it was removed."""

    id: int
    before: str | None
    aliases_before: tuple[str, ...]
    merged_before: str | None
    after: str | None
    aliases_after: tuple[str, ...]
    merged_after: str | None


@dataclass(frozen=True)
class StoreDifference:
    """What of a store is otherwise as of one event than as of another."""

    classes: tuple[ClassChange, ...]
    segments: tuple[SegmentChange, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = asdict(self)
        return {**found, "segments": [{**one, "id": str(one["id"])} for one in found["segments"]]}


@dataclass(frozen=True)
class Edit:
    """What a change of classes did.

    event: its number, for `FeatureStore.undo`.
    segments: how many changed.
    """

    event: int
    segments: int = 0


# Feature spaces


@dataclass(frozen=True)
class SpaceState:
    """How complete a space is, and its index.

    segments: living segments with a vector in the space.
    lacking: those that have none yet.
    without: those that were let go without one.
    index: the name of its index.
    pending: changes that the index still has to follow.
    """

    space: FeatureSpace
    segments: int
    lacking: int
    without: int
    index: str
    pending: int

    @property
    def total(self) -> int:
        """Living segments."""
        return self.segments + self.lacking + self.without

    @property
    def complete(self) -> bool:
        """Whether the space may be asked."""
        return not self.lacking


@dataclass(frozen=True)
class StoredPhoto:
    """An image whose segments lack vectors. size: (H, W)."""

    id: int
    sha256: str
    external_id: str
    uri: str
    size: tuple[int, int]


@dataclass(frozen=True)
class StoredMask:
    """A segment that lacks a vector.

    rle: COCO compressed counts.
    mask_no: which of the segment's masks it is.
    accepted: it was let go without one, as its photo could not be used; should that be back, it is made up for.
    """

    id: int
    point_id: UUID
    class_name: str
    rle: bytes
    mask_no: int
    accepted: bool


@dataclass(frozen=True, eq=False)
class AddedVectors:
    """Vectors for masks of one photo.

    vectors: (n, d) float32 of unit length, a row per mask of `masks`.
    without: masks that are let go without a vector.
    reason: why they are; None where there are none.
    """

    masks: tuple[StoredMask, ...]
    vectors: NDArray[np.float32]
    without: tuple[StoredMask, ...] = ()
    reason: GapReason | None = None


@dataclass(frozen=True)
class VectorMaker:
    """The run that made a vector, with its components by role. None, empty: nobody knows."""

    run: int | None
    components: Mapping[str, Any]


# Names that were asked for


@dataclass(frozen=True)
class ClassMatch:
    """A decision about a name that was asked for.

    matched: the class that stands for the query; of a missing one what came nearest, "" where nothing did.
    dataset, source: the fallback data set and its address, "" = the store itself.
    similarity: cosine of the texts, [-1, 1], None where names decided, or a person.
    encoder: the texts' feature space, "" where names decided.
    run, event: of a fill that has ended.
    category: the store's row of `matched`, followed through renames and merges.
    """

    query: str
    matched: str
    how: MatchKind
    threshold: float
    dataset: str = ""
    source: str = ""
    similarity: float | None = None
    encoder: str = ""
    decision: Decision = Decision.AUTO
    decided_by: str = ""
    reason: str = ""
    run: int | None = None
    event: int | None = None
    id: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    supersedes: int | None = None
    category: int | None = None

    @property
    def key(self) -> str:
        """The query's name key."""
        return name_key(self.query)

    @property
    def holds(self) -> bool:
        """Whether a class stands for the name."""
        return self.decision != Decision.REJECTED and self.how is not MatchKind.MISSING

    @property
    def is_fill(self) -> bool:
        """Whether segments of the fallback data set are, or are to be, stored under the name."""
        return self.holds and bool(self.dataset)


@dataclass(frozen=True)
class Decisions:
    """What holds now of names.

    newest: the decision that holds, by the query's key.
    rejected: the pairs that must not be proposed, by the query's key.
    """

    newest: Mapping[str, ClassMatch] = field(default_factory=dict)
    rejected: Mapping[str, Sequence[ClassMatch]] = field(default_factory=dict)

    def barred_categories(self, key: str) -> set[int]:
        """List the classes of the store that were rejected for that name."""
        pairs = self.rejected.get(key, ())
        return {pair.category for pair in pairs if not pair.dataset and pair.category is not None}

    def barred_names(self, key: str, dataset: str) -> set[str]:
        """List the name keys of a data set's classes that were rejected for that name."""
        return {name_key(pair.matched) for pair in self.rejected.get(key, ()) if pair.dataset == dataset}


@dataclass(frozen=True)
class FillRuns:
    """The runs of a fill, oldest first.

    segments: how many of theirs are not retired.
    event: under which they speak; None where it was taken back, or nothing is stored yet.
    """

    ids: tuple[int, ...]
    segments: int
    event: int | None = None


@dataclass(frozen=True)
class VocabularyState:
    """What a prepared vocabulary hangs on: two that are equal mean the same classes, names and decisions.

    names: of each table that names stand in, how many rows it has and the sum of their checksums.
    outbox: its newest row; every change of a segment adds one.
    """

    names: tuple[tuple[int, int], ...]
    outbox: int
