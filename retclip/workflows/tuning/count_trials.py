"""Counts trials on cached scores: what `evaluate` would count of each setting, without a model.

The scores of every photo are mixed for all weights at once (`algorithms.ensemble.ensembles`); what depends on no weight
is done once. Which figures are wanted decides how the mixed scores are counted, see `trial_sums`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from retclip.algorithms.ensemble import ensembles
from retclip.algorithms.table_quality import QualityCounts
from retclip.config_sections import SegmentSection
from retclip.plugin.contracts import PATCHES
from retclip.progress import OnProgress, Progress, silent
from retclip.workflows.evaluation.answer_counts import answer_counts
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.segment.score_masks import cut_where_tree
from retclip.workflows.segment.segment_image import merged_map
from retclip.workflows.tuning.mixed_scores import MixedScores
from retclip.workflows.tuning.rescored import Rescorer, groups_of
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.scored_photo import ScoredPhoto
from retclip.workflows.tuning.table_counts import TableCounts, is_tabled
from retclip.workflows.tuning.trial_sums import TrialSums
from retclip.workflows.tuning.trials import Trial

THREADS = 4  # photos at a time, at most: the arrays of each are tens of megabytes
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class PhotoCounts:
    """The counts of one photo under some trials.

    places: the trials.
    counts: a row for each of them, or what all of them have.
    """

    places: NDArray[np.int64]
    counts: QualityCounts | ImageCounts


def count_trials(
    cache: ScoreCache, trials: Sequence[Trial], rescorer: Rescorer, pixels: bool, on_progress: OnProgress = silent
) -> TrialSums:
    """Count trials on all cached photos.

    pixels: whether figures of the semantic map are wanted, too; each trial then costs what its map costs.
    Raises ConfigError for trials that the cache cannot answer, DataError for a damaged file.
    """
    rescorer.check(trials)
    sums = TrialSums(len(trials), cache.counters(), cache.head.groups, pixels)
    numbers = cache.numbers

    def counted(number: int) -> list[PhotoCounts]:
        return list(_photo_counts(cache, cache.photo(number), trials, rescorer, pixels))

    for done, parts in enumerate(_ahead(numbers, counted), 1):
        for part in parts:
            sums.add(part.places, part.counts)
        on_progress(Progress("count settings", done, len(numbers), note=f"{len(trials)} settings"))
    return sums


def counts_of(cache: ScoreCache, photo: ScoredPhoto, trial: Trial, rescorer: Rescorer) -> ImageCounts:
    """Return everything that `evaluate` counts of a photo under one setting. photo: as it is cached."""
    photo = replace(photo, scored=rescorer.scored(photo.scored, trial))
    scored = photo.scored
    combined, void = ensembles(scored.sources, scored.seen, [trial.weights], scored.segments.covered)
    return counts_of_scores(cache, photo, combined[0], void, trial.segment)


def counts_of_scores(
    cache: ScoreCache, photo: ScoredPhoto, combined: Tensor, void: Tensor, segment: SegmentSection,
    precision: bool = True,
) -> ImageCounts:  # fmt: skip
    """Return everything that `evaluate` counts of a photo whose scores were mixed by any rule.

    combined: (n, c) scores in [0, 1]; void: (n,) in [0, 1], what the best score of a mask is held against.
    segment: how scored masks become one map.
    precision: whether AP is counted.
    """
    provides = cache.head.provides
    decided = cut_where_tree(photo.scored, photo.scored.sources, combined, void, segment)
    panoptic = merged_map(
        decided.proposals, decided.combined, decided.void, cache.vocabulary, segment, PATCHES in provides
    )
    counts = answer_counts(
        cache.counters(), photo.truth, panoptic, decided, cache.vocabulary.asked, provides, photo.number, photo.name,
        precision,
    )  # fmt: skip
    return replace(counts, passed_over=photo.passed_over)


def _photo_counts(
    cache: ScoreCache, photo: ScoredPhoto, trials: Sequence[Trial], rescorer: Rescorer, pixels: bool
) -> Iterator[PhotoCounts]:
    proposals, provides = photo.scored.proposals, cache.head.provides
    tables = not pixels and not cache.vocabulary.has_rest
    for group in groups_of(trials):
        scored = replace(photo, scored=rescorer.scored(photo.scored, trials[group[0]]))
        for places in _alike(np.array(group), trials, lambda trial: trial.weights.rule):
            tabled = np.array(
                [tables and is_tabled(proposals, trials[place].segment, provides) for place in places], dtype=bool
            )
            if tabled.any():
                yield from _by_tables(cache, scored, trials, places[tabled])
            if not tabled.all():
                yield from _by_maps(cache, scored, trials, places[~tabled])


def _by_tables(
    cache: ScoreCache, photo: ScoredPhoto, trials: Sequence[Trial], places: NDArray[np.int64]
) -> Iterator[PhotoCounts]:
    tables = TableCounts(cache, photo, [trials[place].weights for place in places])
    for rows in _alike(np.arange(len(places)), [trials[place] for place in places], lambda trial: trial.segment):
        yield PhotoCounts(places[rows], tables.of(rows, trials[places[rows[0]]].segment))


def _by_maps(
    cache: ScoreCache, photo: ScoredPhoto, trials: Sequence[Trial], places: NDArray[np.int64]
) -> Iterator[PhotoCounts]:
    """Count each different answer once."""
    mixed = MixedScores(photo.scored, [trials[place].weights for place in places])
    for rows in _alike(np.arange(len(places)), [trials[place] for place in places], lambda trial: trial.segment):
        segment, counted = trials[places[rows[0]]].segment, dict[bytes, ImageCounts]()
        for alike, combined in mixed.each(rows):
            key = blake2b(combined.cpu().numpy().tobytes()).digest()
            if key not in counted:
                counted[key] = counts_of_scores(cache, photo, combined, mixed.void, segment, precision=False)
            yield PhotoCounts(places[rows[alike]], counted[key])


def _alike(
    places: NDArray[np.int64], trials: Sequence[Trial], key: Callable[[Trial], object]
) -> list[NDArray[np.int64]]:
    """Return the places of trials with equal keys."""
    groups: dict[object, list[int]] = {}
    for place in places.tolist():
        groups.setdefault(key(trials[place]), []).append(place)
    return [np.array(group) for group in groups.values()]


def _ahead(numbers: Iterable[int], work: Callable[[int], Answer]) -> Iterator[Answer]:
    """Yield the answers in order; threads work on a few at a time: arrays are computed outside Python's lock."""
    threads = min(THREADS, os.cpu_count() or 1)
    waiting: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="count") as pool:
        try:
            for number in numbers:
                waiting.append(pool.submit(work, number))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
