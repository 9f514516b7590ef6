"""What the sources say of masks: the stored segments near them, and class scores. `retclip.types` exports both and
explains the axes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The stored segments nearest to each mask, nearest first.

    ids: (n, k) object, segment UUIDs, None = none. classes: (n, k) int64 index into the vocabulary, -1 = none.
    distances: (n, k) float32 cosine distance 1 - similarity in [0, 2], inf = none. supported: (c,) bool, whether the
    store holds any live segment of the class: "no neighbour" and "nothing to find" are different answers.
    """

    ids: NDArray[np.object_]
    classes: Tensor
    distances: Tensor
    supported: Tensor


class Role(StrEnum):
    """Which term of the ensemble a classifier feeds (paper, section 2.2)."""

    RETRIEVAL = "retrieval"
    CLIP = "clip"
    IN_VOCABULARY = "in_vocabulary"


@dataclass(frozen=True, eq=False)
class ClassScores:
    """What one classifier says: `values (n, c) float32 in [0, 1]`.

    knows: (c,) bool, False where this source cannot say anything about the class: that is not the same as 0.
    void: (n,) float in [0, 1], the probability of "no object", or None where the source has no such notion.
    speaks: (n,) bool, False where it cannot say anything about a mask, whatever the class; None = it speaks of all.
    shares: (n, k) float in [0, 1], of a source that counts neighbours: how much of its class's value each gave, so that
    those of one class sum to it; None where it counts none, or does not say. rule: how it counts them, in one line.
    """

    values: Tensor
    knows: Tensor
    role: Role
    void: Tensor | None = None
    classifier: str = ""  # component name
    speaks: Tensor | None = None
    shares: Tensor | None = None
    rule: str = ""
