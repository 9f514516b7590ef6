"""The evidence of a decision: `workflows.segment_image` makes it, `workflows.explain` reads it, a file stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retclip.names import LabelMatch
from retclip.types import ClassScores, Neighbours, Vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class TreeParts:
    """The leaves of those masks that are no leaves themselves: a mask's decision mixes its own scores with theirs.

    owner: (l,) int64, the mask that each leaf is a part of.
    shares: (l,) float32, its share of that mask's area; those of a mask sum to 1.
    own: weight of a mask's own scores beside its leaves', in [0, 1].
    neighbours, scores, inputs: of the leaves, as an Evidence has them of the masks.
    """

    owner: Tensor
    shares: Tensor
    own: float
    neighbours: Neighbours
    scores: tuple[ClassScores, ...]
    inputs: DecisionInputs


@dataclass(frozen=True, eq=False)
class DecisionInputs:
    """What a decision needs beside neighbours and scores to be made again with other neighbours.

    beyond: the next nearest segments, which did not vote: they take the places of neighbours that go.
    k: how many segments vote, of all classes together or, with `per_class`, of each.
    further: how many more were searched for.
    seen: (c,) bool, the classes that an in-vocabulary head was trained on.
    covered: (n,) bool, False where a mask covers no cell of the feature grid.
    possible: (n, c) bool, False where a class was ruled out because no prompt detected it; None = nothing was.
    parts: of masks that were cut from a tree; None = each was decided by itself.
    """

    beyond: Neighbours
    k: int
    further: int
    per_class: bool
    seen: Tensor
    covered: Tensor
    possible: Tensor | None = None
    parts: TreeParts | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Why each mask of one image has its label: enough to decide again without the image or a model.

    scores: of each classifier.
    combined: (n, c) float32 after the ensemble.
    void: (n,) float32 after the ensemble.
    settings: the numbers that combined them (alpha, beta, gamma, form, vote, k, ...), and the versions and digests that
    produced the result.
    inputs: for what-if questions; None where no classifier voted with neighbours.
    """

    image_sha256: str
    image_uri: str
    vocabulary: Vocabulary
    neighbours: Neighbours | None
    scores: tuple[ClassScores, ...]
    combined: Tensor
    void: Tensor
    boxes: NDArray[np.int64]  # (n, 4) x0 y0 x1 y1 of each proposal, original image pixels, x1 y1 exclusive
    settings: Mapping[str, Any] = field(default_factory=dict)
    matches: tuple[LabelMatch, ...] = ()
    inputs: DecisionInputs | None = None

    def __repr__(self) -> str:
        masks, classes = self.combined.shape
        sources = ", ".join(scores.classifier or str(scores.role) for scores in self.scores)
        return f"<Evidence of {self.image_uri!r}: {masks} masks, {classes} classes; {sources}>"
