"""The evidence of a decision: `workflows.segment_image` makes it, `workflows.explain` reads it, a file stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retclip.names import LabelMatch
from retclip.types import ClassScores, Neighbours, Vocabulary

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Why each mask of one image has its label: enough to decide again without the image or a model.

    scores: of each classifier.
    combined: (n, c) float32 after the ensemble.
    void: (n,) float32 after the ensemble.
    settings: the numbers that combined them (alpha, beta, gamma, form, vote, k, ...), and the versions and digests that
    produced the result.
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

    def __repr__(self) -> str:
        masks, classes = self.combined.shape
        sources = ", ".join(scores.classifier or str(scores.role) for scores in self.scores)
        return f"<Evidence of {self.image_uri!r}: {masks} masks, {classes} classes; {sources}>"
