"""Whether the scores of segments say how often they are right: reliability curve and expected calibration error
(Guo, Pleiss, Sun, Weinberger: On calibration of modern neural networks, ICML 2017, section 2).

    ECE = sum over bins b of n_b / n * |right_b / n_b - mean score_b|

over the predicted segments that panoptic quality counts: right are the true positives, wrong the false positives, and
what void or a crowd region excuses is left out. Bins are of equal width; a score of 1 falls into the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15  # as Guo et al.


@dataclass(frozen=True)
class ReliabilityBin:
    """The segments whose scores lie in [low, high).

    score: their mean score, accuracy: the share of them that is right; None where there is none.
    """

    low: float
    high: float
    segments: int
    score: float | None
    accuracy: float | None


class Calibration:
    """Accumulates scores over images.

    counts: (bins, 3) float64: segments, the sum of their scores, those that are right.
    """

    def __init__(self, bins: int = BINS) -> None:
        self.counts = np.zeros((bins, 3))

    def add(self, scores: Sequence[float], right: Sequence[bool]) -> None:
        """Add segments. scores: in [0, 1]."""
        self.counts += binned(scores, right, len(self.counts))

    def merge(self, other: Calibration) -> None:
        """Add the counts of another accumulator with as many bins."""
        self.counts += other.counts

    @property
    def error(self) -> float | None:
        """The expected calibration error in [0, 1]; None without a segment."""
        total = self.counts[:, 0].sum()
        if not total:
            return None
        return float(np.abs(self.counts[:, 2] - self.counts[:, 1]).sum() / total)  # n_b cancels out

    @property
    def curve(self) -> tuple[ReliabilityBin, ...]:
        """The bins, from low to high scores."""
        bins = len(self.counts)
        return tuple(
            ReliabilityBin(
                n / bins, (n + 1) / bins, int(count), *((total / count, right / count) if count else (None,) * 2)
            )
            for n, (count, total, right) in enumerate(self.counts.tolist())
        )


def binned(scores: Sequence[float], right: Sequence[bool], bins: int) -> NDArray[np.float64]:
    """Return (bins, 3): segments, sum of scores and right segments of each bin. scores: in [0, 1]."""
    values = np.asarray(scores, dtype=np.float64).reshape(-1)
    places = np.clip((values * bins).astype(np.int64), 0, bins - 1)
    columns = (np.ones(len(values)), values, np.asarray(right, dtype=np.float64).reshape(-1))
    table = [np.bincount(places, weights=column, minlength=bins) for column in columns]
    return np.stack(table, axis=1).astype(np.float64)  # bincount of nothing is of whole numbers
