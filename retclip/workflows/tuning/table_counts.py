"""Panoptic quality of many trials on one photo from tables of pixels, where these say what the map would show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip.algorithms.ensemble import HALF, EnsembleWeights, ensembles
from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.algorithms.merge_tables import merge_tables
from retclip.algorithms.panoptic_merge import PRESENT, is_candidate, survives
from retclip.algorithms.table_quality import AnnotatedTable, QualityCounts, table_quality
from retclip.config_sections import SegmentSection
from retclip.plugin.contracts import PATCHES
from retclip.types import ClassScores, MaskProposals, PanopticSegmentation
from retclip.workflows.segment.score_masks import ScoredMasks
from retclip.workflows.segment.segment_image import countable, merge_grid, merge_thresholds
from retclip.workflows.segment.tree_cut import scores_of_masks
from retclip.workflows.tuning.mixed_scores import MixedScores
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.scored_photo import ScoredPhoto

ROOM = 1 + 1e-5  # for rounding


def is_tabled(proposals: MaskProposals, segment: SegmentSection, provides: Sequence[str]) -> bool:
    """Return whether a merge by tables counts what the map would show.

    provides: what the proposer says of its masks.
    """
    grid = merge_grid(proposals.image_size, segment)
    closes = int(segment.smallest_void * grid[0] * grid[1]) > 0
    whole = proposals.parents is None and PATCHES not in provides
    return whole and not closes and grid == proposals.image_size


class TableCounts:
    """Counts trials of one photo that share form and rules of the ensemble.

    weights: of s trials.
    """

    def __init__(self, cache: ScoreCache, photo: ScoredPhoto, weights: Sequence[EnsembleWeights]) -> None:
        scored = hopeful(photo.scored, weights[0])
        mixed = MixedScores(scored, weights)
        self._proposals, self._void = scored.proposals, mixed.void
        self._best, self._labels = mixed.best()  # (s, n), (s, n)
        self._things = countable(cache.vocabulary).numpy()
        index = {name: number for number, name in enumerate(cache.head.names)}
        self._annotated, self._table = annotated_table(photo.truth, index)

    def of(self, rows: NDArray[np.int64], segment: SegmentSection) -> QualityCounts:
        """Return the counts of some trials, which share the settings of the merge."""
        thresholds, size = merge_thresholds(segment), self._proposals.image_size
        candidates = is_candidate(torch.from_numpy(self._best[rows]), self._void.cpu(), thresholds).numpy()  # (s, n)
        masks = np.flatnonzero(candidates.any(axis=0))  # (m,)
        probabilities = pixel_probabilities(self._proposals.finest, torch.from_numpy(masks), size).cpu()  # (m, H, W)
        best, labels = self._best[rows][:, masks], self._labels[rows][:, masks]  # (s, m), (s, m)
        candidates = candidates[:, masks]
        tables = merge_tables(
            probabilities.flatten(1).numpy(), self._annotated, len(self._table.classes), best, candidates,
            thresholds.mask_threshold,
        )  # fmt: skip
        present = (probabilities >= PRESENT).sum(dim=(1, 2))  # (m,)
        areas, won = torch.from_numpy(tables.inside.sum(axis=2)), torch.from_numpy(tables.won)
        surviving = survives(areas, won, present, thresholds).numpy()
        return table_quality(tables.inside, labels, surviving, self._things, self._table)


def hopeful(scored: ScoredMasks, weights: EnsembleWeights) -> ScoredMasks:
    """Return the masks without those that are "no object" whatever alpha, beta and gamma are."""
    sources, segments = scored.sources, scored.segments
    _, void = ensembles(sources, scored.seen, [weights], segments.covered)
    at = torch.nonzero(_highest(sources, weights, void) > void)[:, 0]
    return ScoredMasks(
        scored.proposals.picked(at),
        replace(segments, vectors=segments.vectors[at], covered=segments.covered[at], label_logits=None),
        tuple(scores_of_masks(source, at) for source in sources),
        None,
        scored.seen,
    )


def _highest(sources: Sequence[ClassScores], weights: EnsembleWeights, void: Tensor) -> Tensor:
    """Return (n,) a bound of each mask's best score for every alpha, beta and gamma.

    Bare sums are means of what the sources say; scores that are brought to sum 1 are at most 1.
    """
    bound = torch.ones_like(void)
    if weights.form == "arithmetic" and not weights.renormalise:
        bound = torch.stack([source.values.to(void).amax(dim=1) for source in sources]).amax(dim=0)
    if weights.void == "discount":
        bound = bound * (1.0 - void)
    elif weights.void == "apart":
        bound = torch.where(void > HALF, HALF * bound, bound)
    return bound * ROOM


def annotated_table(truth: PanopticSegmentation, index: Mapping[str, int]) -> tuple[NDArray[np.int64], AnnotatedTable]:
    """Return the place of each pixel's annotated segment, 0 = void, and what the segments are.

    index: class index by the class's name.
    """
    ids = np.array([0, *(segment.id for segment in truth.segments)], dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    places = order[np.searchsorted(ids[order], truth.label_map.ravel())]
    classes = np.array([-1, *(index[segment.class_name] for segment in truth.segments)], dtype=np.int64)
    crowd = np.array([False, *(segment.is_crowd for segment in truth.segments)])
    return places, AnnotatedTable(classes, crowd, np.bincount(places, minlength=len(ids)))
