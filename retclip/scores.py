"""What the classifiers of an ensemble work with and return: nearest stored segments, and class scores. `retclip.types`
exports both and explains the axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Negatives:
    """The negative examples of the vocabulary's classes: stored segments that a person said are not of a class.

    ids: (m,) object, segment UUIDs; one that is against several classes is there for each.
    classes: (m,) int64 index into the vocabulary, the class that it counts against.
    distances: (n, m) float32 decorrelated distance of each mask in [0, 2] (`algorithms.decorrelation`), inf = the mask
    has no vector.
    """

    ids: NDArray[np.object_]
    classes: Tensor
    distances: Tensor


@dataclass(frozen=True, eq=False)
class ClassPrototypes:
    """The prototypes of the vocabulary's classes: vectors that stand for stored segments (`algorithms.prototypes`).

    classes: (p,) int64 index into the vocabulary.
    sizes: (p,) int64, how many stored segments each is made of.
    members: (p, m) object, the UUIDs of those of them that are nearest to it, nearest first, None = it has no more.
    distances: (n, p) float32 cosine distance of each mask, inf = the mask has no vector.
    """

    classes: Tensor
    sizes: Tensor
    members: NDArray[np.object_]
    distances: Tensor


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The stored segments nearest to each mask, nearest first.

    ids: (n, k) object, segment UUIDs, None = none.
    classes: (n, k) int64 index into the vocabulary, -1 = none; c, one behind the last, = a class that was not asked,
    which takes a place among the k (`retrieval.scope` = all) and gives no score.
    distances: (n, k) float32 cosine distance 1 - similarity in [0, 2], inf = none.
    supported: (c,) bool, whether the store has any living segment of the class: "no neighbour" and "nothing to find"
    differ.
    negatives: None = no class of the vocabulary has a negative example.
    trust: (n, k) float32 in [0, 1], how far the label of each is to be trusted, NaN = not known; None where nothing
    that votes reads it (`Classifier.reads_trust`).
    vectors: (d,) float32 of unit length by segment; None where no classifier reads them (`Classifier.reads_vectors`).
    prototypes: None where no classifier reads them (`Classifier.prototypes_per_class`).
    decorrelated: (n, k) float32 in [0, 2], of a neighbour whose class has negative examples the distance that is
    compared with theirs, inf elsewhere; None where there is none, and of versions that compared cosine distances.
    of_rest: (n, k) int64, of a neighbour of the rest (`Vocabulary.has_rest`) the number of its own class among those of
    the rest, -1 for others; None without a rest, or where so many neighbours of each class are read.
    """

    ids: NDArray[np.object_]
    classes: Tensor
    distances: Tensor
    supported: Tensor
    negatives: Negatives | None = None
    trust: Tensor | None = None
    vectors: Mapping[UUID, NDArray[np.float32]] | None = None
    prototypes: ClassPrototypes | None = None
    of_rest: Tensor | None = None
    decorrelated: Tensor | None = None

    @property
    def places(self) -> dict[str, Tensor]:
        """The tensors with a value for each place, by name."""
        optional = {"trust": self.trust, "of_rest": self.of_rest, "decorrelated": self.decorrelated}
        there = {name: values for name, values in optional.items() if values is not None}
        return {"classes": self.classes, "distances": self.distances, **there}


class Role(StrEnum):
    """Which term of the ensemble a classifier feeds (paper, section 2.2)."""

    RETRIEVAL = "retrieval"
    CLIP = "clip"
    IN_VOCABULARY = "in_vocabulary"


@dataclass(frozen=True, eq=False)
class ClassScores:
    """The scores of one classifier. Where it abstains it has no evidence, which is not a score of 0.

    values: (n, c) float32 in [0, 1].
    knows: (c,) bool, False where the classifier abstains for a class.
    void: (n,) float in [0, 1], the probability of "no object"; None where the classifier does not give it.
    speaks: (n,) bool, False where it abstains for a mask, whatever the class; None = for no mask.
    shares: (n, k) float in [0, 1], of a classifier that votes with neighbours: each neighbour's contribution to the
    value of its class, so that those of one class sum to it; None where it does not vote, or does not say.
    rule: the rule of the vote in one line.
    certainty: (n,) float in [0, 1], how far each mask's scores are to be believed beside those of others
    (`algorithms.ensemble`); None where the classifier does not say.
    shrinkage: (n, c) float in [0, 1], of a classifier that votes with neighbours: what is left of its weight for each
    class, 0 where nothing speaks for the class (`algorithms.vote_shrinkage`); None where it has its whole weight.
    effects: (n, k) float in [-1, 1], of a classifier that neighbours teach: what the value of each neighbour's class
    would lose without it, 0 where it taught nothing; None where the classifier does not say.
    """

    values: Tensor
    knows: Tensor
    role: Role
    void: Tensor | None = None
    classifier: str = ""  # component name
    speaks: Tensor | None = None
    shares: Tensor | None = None
    rule: str = ""
    certainty: Tensor | None = None
    shrinkage: Tensor | None = None
    effects: Tensor | None = None
