"""Runs and their units of work: plans, leases, segments, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retclip.passed_over import PassedOver
from retclip.store.states import LabelSource, RunKind
from retclip.types import FeatureSpace, PhotoCredit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class RunPlan:
    """The plan of a run. Raises ConfigError for an unknown kind.

    recipe: fingerprint of proposer, version and settings: with another one, finished units are done again.
    components: by role: name, version, distribution, settings, settings_sha256, weights.
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
    """The states of units in the ledger.

    finished: keys that need no more work.
    poisoned: those that failed too often, by key.
    suspects: keys on which a process died.
    """

    finished: frozenset[str]
    poisoned: Mapping[str, Failure]
    suspects: frozenset[str]


@dataclass(frozen=True)
class Wanted:
    """A unit of work to be leased."""

    key: str
    external_id: str
    uri: str


@dataclass(frozen=True)
class Taken:
    """The answer to a request for leases.

    mine: leased by this run.
    elsewhere: held by another living process.
    given_up: a process died on them too often.
    """

    mine: frozenset[str]
    elsewhere: frozenset[str]
    given_up: tuple[Failure, ...]


@dataclass(frozen=True)
class Committed:
    """The result of a commit.

    segments: the number of the units' segments.
    displaced: how many segments that were there have another mask now, or are retired: the units found the same classes
    in the same photos.
    """

    segments: int
    displaced: int


@dataclass(frozen=True)
class NewSegment:
    """A segment to be stored.

    box: x, y, width, height, in pixels of the upright image.
    rle: COCO compressed counts.
    score: the proposer's objectness, [0, 1].
    detector_score, mask_score: its parts, [0, 1], None if there is no such model.
    class_name: the class of its label, "" = the prompt.
    against: classes that it is a negative example of.
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
    class_name: str = ""
    against: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name of its class."""
        return self.class_name or self.prompt


@dataclass(frozen=True, eq=False)
class UnitResult:
    """One image's finished work.

    content: digest of annotation and recipe.
    size: (H, W) of the upright image.
    prompts: every class that the unit looked for, found or not: their slots are filled anew.
    vectors: (n, d) float32 of unit length, a row per segment.
    absent: classes that the image does not show, says the source.
    passed_over: of the image and its annotation.
    credit: of the photo, None if the source names none.
    only_adds: whether filled slots of the image stay as they are, and slots without a segment here are not emptied.
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
    credit: PhotoCredit | None = None
    only_adds: bool = False
