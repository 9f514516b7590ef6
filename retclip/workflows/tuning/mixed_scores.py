"""The scores of one photo mixed for many weights, as many at once as fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.algorithms.ensemble import EnsembleWeights, ensembles
from retclip.algorithms.panoptic_merge import best_classes
from retclip.workflows.segment.score_masks import ScoredMasks

AT_ONCE = 1 << 21  # mixed scores held at once: 8 MB of float32 for each step of the formula


class MixedScores:
    """The mixed scores of n masks for s weights, which share form and rules.

    void: (n,) the probability of "no object", the same for all.
    """

    def __init__(self, scored: ScoredMasks, weights: Sequence[EnsembleWeights]) -> None:
        self._sources, self._seen, self._covered = scored.sources, scored.seen, scored.segments.covered
        self._weights = list(dict.fromkeys(weights))
        number = {each: n for n, each in enumerate(self._weights)}
        self._places = np.array([number[each] for each in weights])
        self.void = ensembles(self._sources, self._seen, self._weights[:1], self._covered)[1]

    def best(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return (s, n) the best score of each mask and its class."""
        parts = [best_classes(combined) for _, combined in self._chunks(range(len(self._weights)))]
        best, labels = (torch.cat(rows).cpu().numpy()[self._places] for rows in zip(*parts, strict=True))
        return best, labels

    def each(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield the scores (n, c) of each different weights, with the places in `rows` that have them.

        rows: some of the s weights.
        """
        of_rows = self._places[rows]
        for numbers, combined in self._chunks(sorted(set(of_rows.tolist()))):
            for number, scores in zip(numbers, combined, strict=True):
                yield np.flatnonzero(of_rows == number), scores

    def _chunks(self, numbers: Sequence[int]) -> Iterator[tuple[Sequence[int], Tensor]]:
        step = max(1, AT_ONCE // max(1, self._sources[0].values.numel()))
        for begin in range(0, len(numbers), step):
            chunk = numbers[begin : begin + step]
            weights = [self._weights[n] for n in chunk]
            yield chunk, ensembles(self._sources, self._seen, weights, self._covered)[0]
