"""The nearest of the segments that one may be compared with, for every segment of a space, in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from retclip.store.records import JudgedSegments

BLOCK = 512  # segments that are compared with all at once


def nearest_allowed(
    segments: JudgedSegments, barred: Callable[[slice], NDArray[np.bool_]], within: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the place of each segment, that of the nearest one, and their cosine distance, where one is near enough.

    barred: returns (b, n) bool of b rows, which of all segments each may not be compared with.
    within: cosine distance, [0, 2].
    """
    for start in range(0, len(segments), BLOCK):
        rows = slice(start, start + BLOCK)
        distances = 1.0 - segments.vectors[rows] @ segments.vectors.T  # (b, n)
        distances[barred(rows)] = np.inf
        for number, column in enumerate(distances.argmin(axis=1).tolist()):
            distance = float(distances[number, column])
            if distance <= within:
                yield start + number, column, max(0.0, distance)
