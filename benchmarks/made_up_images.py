"""Made-up images, as a build would commit them: benchmarks of the store share them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retclip.data import rle
from retclip.store.ids import digest, recipe_fingerprint, unit_key
from retclip.store.records import NewSegment, RunPlan, UnitResult
from retclip.store.states import LabelSource, RunKind
from retclip.types import FeatureSpace

PROPOSER, SIDE = "made.up", 16
RECIPE = recipe_fingerprint(PROPOSER, "0", {})
SQUARE = rle.encode(np.ones((SIDE, SIDE), dtype=bool))["counts"].encode()


def space_of(dim: int) -> FeatureSpace:
    """Return a space of so many numbers."""
    return FeatureSpace("made.up", "none", "none", "area-1", dim)


def plan(space: FeatureSpace, data_set: str = "made up", proposer: str = PROPOSER) -> RunPlan:
    """Return the plan of a build."""
    return RunPlan(RunKind.BUILD, data_set, data_set, proposer, "0", {}, RECIPE, space, {}, "0")


def image(
    number: int, labels: Sequence[str], vectors: NDArray[np.float32], space: FeatureSpace,
    scores: Sequence[float] | None = None,
) -> UnitResult:  # fmt: skip
    """Return the finished work of an image.

    labels: a class for each segment.
    vectors: (n, d) float32 of unit length.
    scores: of the masks, None = 1.
    """
    sha, counted, segments = digest("made up", str(number)), dict[str, int](), list[NewSegment]()
    for label, score in zip(labels, scores or [1.0] * len(labels), strict=True):
        ordinal = counted[label] = counted.get(label, -1) + 1
        box = (0, 0, SIDE, SIDE)
        segments.append(NewSegment(label, ordinal, box, SIDE * SIDE, score, SQUARE, LabelSource.ANNOTATION, 1.0))
    names, key = tuple(sorted(counted)), unit_key(sha, "", RECIPE, space.id, counted)
    places = f"{number}.png", f"/none/{number}.png"
    return UnitResult(key, RECIPE, *places, sha, (SIDE, SIDE), names, tuple(segments), vectors)
