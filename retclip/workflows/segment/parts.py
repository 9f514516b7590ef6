"""What a workflow works with: loaded components, an open store and the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from retclip.config import Settings
from retclip.errors import StoreMissing
from retclip.names import LabelMatch
from retclip.plugin.contracts import NEIGHBOURS, TEXT_THRESHOLD, Backbone, Classifier, MaskProposer, NeighbourVote
from retclip.store.feature_store import FeatureStore
from retclip.types import Device, Vocabulary

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """A loaded component with its name, device and settings.

    component: the backbone, proposer or classifier itself; it may be loaded on first use.
    files: the weight files that it was loaded from, by FOLDER/NAME.
    text_threshold: of a backbone: the cosine above which two names are one class; None = their texts are not compared.
    distribution: the installed distribution that announced it, "" = unknown.
    """

    name: str
    version: str
    component: T
    device: Device
    settings: Mapping[str, Any]
    provides: frozenset[str]
    needs: frozenset[str]
    files: Mapping[str, Path] = field(default_factory=dict)
    text_threshold: float | None = TEXT_THRESHOLD
    distribution: str = ""


@dataclass(frozen=True)
class Models:
    """The components that turn an image into segments, without a store, so that a worker in another process has them
    too.
    """

    backbone: Loaded[Backbone]
    proposer: Loaded[MaskProposer]
    settings: Settings
    second_backbone: Loaded[Backbone] | None = None

    @property
    def keys(self) -> Loaded[Backbone]:
        """The backbone of the retrieval embeddings: a second one where there is one (kNN-CLIP), else the only one."""
        return self.second_backbone or self.backbone

    @property
    def matching_threshold(self) -> float:
        """The cosine of two names above which they match: as set, else as the backbone says; 1 = never by text."""
        threshold = self.settings.matching.threshold
        if threshold != "backbone":
            return threshold
        return 1.0 if self.backbone.text_threshold is None else self.backbone.text_threshold


@dataclass(frozen=True, kw_only=True)
class Segmenter(Models):
    """What `segment` and `evaluate` need.

    store: None where no classifier votes with one.
    """

    classifiers: tuple[Loaded[Classifier], ...] = ()
    store: FeatureStore | None = None


def require_store(parts: Segmenter) -> FeatureStore:
    """Return the store that a classifier votes with. Raises StoreMissing where there is none."""
    if parts.store is None:
        voters = ", ".join(classifier.name for classifier in parts.classifiers if NEIGHBOURS in classifier.needs)
        raise StoreMissing(f"a store that {voters} votes with", "none", "open one, or choose another --classifier")
    return parts.store


def voting_again(classifiers: Sequence[Loaded[Classifier]]) -> dict[str, NeighbourVote]:
    """Return those that vote with neighbours and can say what they would with others, by name."""
    return {
        fitted.name: fitted.component
        for fitted in classifiers
        if NEIGHBOURS in fitted.needs and isinstance(fitted.component, NeighbourVote)
    }


@dataclass(frozen=True, kw_only=True)
class Parts(Segmenter):
    """What changing a store needs.

    reader: returns name and version of the image source that reads an address, for the record of a run.
    """

    store: FeatureStore = field()
    reader: Callable[[str], Mapping[str, str]] = lambda _: {}


@dataclass(frozen=True, eq=False)
class PreparedVocabulary:
    """A vocabulary with its text vectors, the match of each class, and the stored class it is matched to.

    store_classes: (c,) id of the stored class, None = none.
    other_classes: ids of the stored classes with segments that stand for no name.
    rest: ids of those that compete for masks as one class more, the rest (`segment.unasked`).
    with_rest: the vocabulary with that class behind it; None = there is none.
    """

    vocabulary: Vocabulary
    matches: tuple[LabelMatch, ...]
    store_classes: tuple[int | None, ...]
    other_classes: tuple[int, ...] = ()
    rest: tuple[int, ...] = ()
    with_rest: Vocabulary | None = None

    @property
    def scored(self) -> Vocabulary:
        """The classes that masks are scored for: those asked, then the rest where there is one."""
        return self.with_rest or self.vocabulary
