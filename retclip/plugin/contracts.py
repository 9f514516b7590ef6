"""The contracts of a plugin's components. They are protocols: a plugin inherits nothing.

A plugin imports only floors 0 and 1 (`retclip.types`, `retclip.errors`, `retclip.shapes`, `retclip.algorithms`,
`retclip.plugin`): never the store, a workflow, the engine or another plugin. A classifier that needs neighbours
*receives* them. `retclip plugins check NAME` runs the conformance kit over a component.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from retclip.passed_over import PassedOver
from retclip.plugin.weights import Weights
from retclip.types import (
    ClassScores,
    DenseFeatures,
    Device,
    FeatureSpace,
    Image,
    MaskLogits,
    MaskProposals,
    Neighbours,
    PanopticSegmentation,
    Role,
    SegmentFeatures,
    Vocabulary,
)

if TYPE_CHECKING:
    from torch import Tensor

    from retclip.plugin.training import Trainable

T = TypeVar("T", covariant=True)

TEXT = "text"  # a backbone provides it where it has a text tower; a classifier may need it
NEIGHBOURS = "neighbours"  # a classifier needs it where it votes with the feature store
LEVELS = "levels"  # a backbone provides it where its features have named maps; a proposer may need to share them
ANNOTATION = "annotation"  # a proposer provides it where its masks and names were annotated, not detected
REGIONS = "regions"  # a proposer provides it where it finds the masks of marked objects, and names them as marked
WHOLE = "whole"  # a proposer provides it where its mask is the whole photo: who says what that shows, named the mask
PATCHES = "patches"  # a proposer provides it where its masks claim no whole objects: touching ones are joined
TEXT_THRESHOLD = 0.95  # cosine of two names above which they are one class (paper, section 2.2, with CLIP's text tower)
AREAS = "areas"  # a backbone provides it where a mask's vector follows from the share that it covers of each cell
LABELS = "labels"  # a backbone provides it where its segments bring `label_logits`; a classifier may need it
CREDIT = "credit"  # key of `SourceImage.extra`: a `PhotoCredit`, where the data set names author or licence
SAID_BY, PERSON = "said_by", "person"  # key of `SourceImage.extra`, and its value where a person named the classes


def _no_weights(_: Any) -> Sequence[Weights]:
    return ()


def _as_the_paper(_: Any) -> float:
    return TEXT_THRESHOLD


class Settings(BaseModel):
    """Base of a component's settings: its fields are the keys allowed in retclip.toml, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Component(Generic[T]):
    """A component that a plugin announces. `load` is the only expensive call, and alone may import a model library.

    name: lower case, `[a-z0-9_-]+`; the full name is "<plugin>.<name>".
    summary: one line for `retclip plugins list`.
    provides, needs: capabilities, checked before any weights are loaded (`TEXT`, `LEVELS`, `NEIGHBOURS`, `ANNOTATION`,
    `REGIONS`, `WHOLE`, `PATCHES`, `AREAS`, `LABELS`).
    weights: maps settings to the weights they need; missing ones are reported before `load`.
    text_threshold: for a backbone with a text tower: maps settings to the cosine of two names above which they are one
    class, in [-1, 1]; None = its texts say too little, names are compared by spelling alone.
    published: every set of weights that some setting names, for `retclip weights list`.
    trainable: for a proposer that can be fine-tuned: maps settings, device, channels of the backbone's levels by name,
    and length of its text vectors to the trainable; the settings name the weights it starts from, "random" for none.
    """

    name: str
    summary: str
    settings: type[BaseModel]
    load: Callable[[Any, Device], T]
    provides: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    weights: Callable[[Any], Sequence[Weights]] = _no_weights
    text_threshold: Callable[[Any], float | None] = _as_the_paper
    published: Sequence[Weights] = ()
    trainable: Callable[[Any, Device, Mapping[str, int], int], Trainable] | None = None


@runtime_checkable
class Backbone(Protocol):
    """Maps images to dense features, masks to vectors, and names to text vectors in the same space."""

    @property
    def space(self) -> FeatureSpace:
        """The embedding space of its vectors; constant."""

    def dense_features(self, images: Sequence[Image]) -> list[DenseFeatures]:
        """Return one entry per image, in order; the same whether images come alone or in a batch, to float
        tolerance.
        """

    def segment_vectors(
        self, features: DenseFeatures, masks: Tensor, logits: MaskLogits | None = None
    ) -> SegmentFeatures:
        """Return unit vectors, finite, and `covered` False where a mask covers no cell.

        masks: (n, y, x) float in [0, 1] over the whole image, as the proposer made them; the backbone thresholds them
        itself where it needs to.
        logits: the same before the sigmoid in the proposer's padded input, where the proposer has them.
        """

    def text_vectors(self, names: Sequence[str]) -> Tensor | None:
        """Return (r, d) unit length, a row per name; None where the backbone has no text tower.

        Raises NamesTooLong for names that it would truncate (`plugin.read_names`).
        """


@runtime_checkable
class AreaPooling(Protocol):
    """What a backbone can do beside, where it provides `AREAS`."""

    def weighted_vectors(self, features: DenseFeatures, weights: Tensor) -> SegmentFeatures:
        """Return what `segment_vectors` returns for the masks of these weights.

        Weights add up as masks do: a tree of masks is weighed by its leaves alone.

        A backbone whose masks begin and end at multiples of a cell's part says so by an attribute `area_steps`, as
        `area_weights` takes it.

        weights: (n, h, w) `algorithms.mask_pooling.area_weights` of the masks on the feature grid.
        """


@runtime_checkable
class MaskProposer(Protocol):
    """Maps images to mask proposals."""

    def propose(
        self, images: Sequence[Image], vocabulary: Vocabulary, features: Sequence[DenseFeatures]
    ) -> list[MaskProposals]:
        """Return one entry per image, in order, its masks sorted by objectness, highest first.

        No masks is a valid answer: (0, y, x). Prompts, where given, are names of the vocabulary.
        """


@runtime_checkable
class Classifier(Protocol):
    """Maps masks to class scores."""

    @property
    def role(self) -> Role:
        """The term of the ensemble that its scores feed.

        An in-vocabulary classifier also has `trained_on`, the terms of its fine-tuning vocabulary (C_train in the
        paper), which alpha and beta need. One that needs neighbours may have `neighbours_per_class`, an integer: above
        0, at least so many of each class are searched for, instead of `retrieval.k` of all classes together; and
        `reads_trust`: if True, neighbours come with the trust in their labels; `reads_vectors`: if True, with their
        vectors; `prototypes_per_class`, an integer: above 0, with at most so many prototypes of each class.
        `masks_together`: if True, the scores of a mask may depend on the photo's other masks. One that abstains for
        some names may have `unknown(vocabulary)`, which returns of each such class the reason, for users.
        """

    def score(
        self,
        proposals: MaskProposals,
        segments: SegmentFeatures,
        vocabulary: Vocabulary,
        neighbours: Neighbours | None,
    ) -> ClassScores:
        """Return scores (n, c) in [0, 1]; `knows` is False for classes that it abstains for."""


@runtime_checkable
class NeighbourVote(Protocol):
    """What a classifier can do beside, where its scores follow from the neighbours alone.

    Explanations ask it what the answer would be with other neighbours.
    """

    def vote(self, neighbours: Neighbours, covered: Tensor) -> ClassScores:
        """Return what `score` returns for masks with these neighbours.

        neighbours: of n masks, for the c classes of the vocabulary.
        covered: (n,) bool, False where a mask covers no cell of the feature grid.
        """


@dataclass(frozen=True)
class SourceClass:
    """A class of a data set."""

    name: str
    is_thing: bool | None = None  # None: nobody said
    synonyms: tuple[str, ...] = ()
    native_id: int = -1  # the data set's own number


@dataclass(frozen=True, eq=False)
class AnnotationAlone:
    """A photo's annotation, read without the photo. passed_over: what was left out of it."""

    truth: PanopticSegmentation
    passed_over: PassedOver


@dataclass(frozen=True)
class SourceImage:
    """One record of a source, cheap to list: pixels and annotation are read by `load` alone.

    external_id: unique in the source.
    uri: where the file lies.
    load: decodes the image; raises DataError.
    file_digest: returns the sha256 of the file's bytes.
    class_names: the classes present, as far as the source knows without decoding; None = unknown.
    annotation_digest: changes when the annotation does; "" without annotation.
    load_truth: reads the annotation that `load` gives, upright, without decoding the photo; None = only `load` can.
    """

    external_id: str
    uri: str
    load: Callable[[], Image]
    file_digest: Callable[[], str]
    class_names: tuple[str, ...] | None = None
    annotation_digest: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    load_truth: Callable[[], AnnotationAlone] | None = None


@runtime_checkable
class ImageSource(Protocol):
    """A data set: images with their annotation, streamed."""

    @property
    def name(self) -> str:
        """The data set's name, e.g. "camvid"."""

    def classes(self) -> Sequence[SourceClass]:
        """The data set's classes in its own order; empty where it has none (a plain folder of photos)."""

    def images(self) -> Iterator[SourceImage]:
        """Yield every record, in a fixed order."""

    def __len__(self) -> int: ...


@runtime_checkable
class ClassFile(Protocol):
    """Segments of classes that a distribution brings: a file as `retclip class export` writes it."""

    @property
    def path(self) -> Path:
        """Where the file lies. `retclip class import` reads and checks it as any other."""
