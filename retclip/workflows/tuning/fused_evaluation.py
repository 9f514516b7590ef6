"""All figures of cached photos under any rule that mixes their scores: how a new fusion is tried.

cache = ScoreCache.opened(Path("tuned/scores"))
evaluation = evaluate_fusion(cache, my_rule)       # my_rule(photo) -> scores (n, c), "no object" (n,)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from retclip.config_sections import SegmentSection
from retclip.errors import DataError
from retclip.passed_over import Tally
from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation, summary
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.tuning.count_trials import counts_of_scores
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.scored_photo import ScoredPhoto

Fusion = Callable[[ScoredPhoto], tuple[Tensor, Tensor]]


def evaluate_fusion(
    cache: ScoreCache, fusion: Fusion, segment: SegmentSection | None = None, bootstrap: Bootstrap = Bootstrap()
) -> Evaluation:
    """Return what `evaluate` would return if masks were labelled by another rule.

    fusion: returns of a photo the scores (n, c) in [0, 1] of its masks, and void (n,) in [0, 1]: a mask whose best
    score is not above it is no object. It may read `photo.scored`: `sources`, the scores of every classifier as
    the ensemble takes them, `neighbours`, `segments`, `proposals`; `photo.truth` is for fitting alone.
    segment: how scored masks become one map; None = as it was set when the scores were cached.
    Raises DataError for a damaged file.
    """
    rule = SegmentSection(**cache.head.settings["segment"]) if segment is None else segment
    counts = (counts_of_scores(cache, photo, *fusion(photo), rule) for photo in cache.photos())
    return evaluation_of(cache, counts, {"fusion": getattr(fusion, "__name__", type(fusion).__name__)}, bootstrap)


def evaluation_of(
    cache: ScoreCache, images: Iterable[ImageCounts], settings: Mapping[str, Any], bootstrap: Bootstrap = Bootstrap()
) -> Evaluation:
    """Return the figures of counted photos. settings: what made them. Raises DataError where there is none."""
    counters, tally = cache.counters(), Tally()
    for counts in images:
        counters.include(counts)
        tally.add(counts.passed_over)
    if not counters.images:
        raise DataError(f"at least one cached photo in {cache.folder}", "none", "tune again")
    told = replace(tally.total, bad=())  # the pass that cached the scores listed them
    return summary(counters, cache.head.groups, cache.head.missing, (), settings, bootstrap, told)
