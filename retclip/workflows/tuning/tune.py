"""Tunes the settings that decide after the models: one pass over the photos, then as many settings as are asked for.

photos, apart from the store and from the held-out ones -> scores, cached -> figures of every setting -> the best
-> judged once on the held-out photos, beside the settings as they were
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from retclip.algorithms.photo_hash import NEAR
from retclip.errors import ConfigError, DataError
from retclip.plugin.checked_source import CheckedSource
from retclip.progress import OnProgress, Progress, silent
from retclip.store.records import Failure
from retclip.types import Vocabulary
from retclip.workflows.audit.shared_photos import require_apart
from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.segment.parts import Segmenter
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.count_trials import count_trials
from retclip.workflows.tuning.grid import Axis, Values, grid
from retclip.workflows.tuning.held_out import judged_once
from retclip.workflows.tuning.rescored import Rescorer
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.search import OptunaSearch, by_optuna
from retclip.workflows.tuning.trial_sums import FIGURES, QUALITY
from retclip.workflows.tuning.trials import ClassifierWith, Trial, Trials
from retclip.workflows.tuning.tuning_report import HeldOut, TriedSetting, TuningReport, short_names

SCORES, HELD_OUT_SCORES, HELD_OUT = "scores", "held_out_scores", "held_out"


@dataclass(frozen=True)
class TuningJob:
    """What is tuned, by what.

    source: the photos that settings are chosen by; held_out: those that the chosen one is judged on.
    folder: of scores and results.
    axes: what is tried.
    figure: that is to be as high as can be, one of `FIGURES`.
    search: None = the whole grid.
    seen: the classes that count as seen in the figures; None = those of an in-vocabulary classifier.
    bits: of 128 in which the hashes of photos may differ that are taken for the same one.
    bootstrap: of the intervals of the held-out figures.
    """

    source: CheckedSource
    held_out: CheckedSource
    folder: Path
    axes: tuple[Axis, ...]
    figure: str = "pq"
    search: OptunaSearch | None = None
    seen: Vocabulary | None = None
    bits: int = NEAR
    bootstrap: Bootstrap = field(default_factory=Bootstrap)


def tune(parts: Segmenter, job: TuningJob, load: ClassifierWith, on_progress: OnProgress = silent) -> TuningReport:
    """Choose settings. parts: with the settings in effect. load: loads a classifier with other settings.

    Raises ConfigError for a figure, a setting or a value that cannot be, DataError for photos that are not apart.
    """
    check_figure(job.figure)
    trials = Trials(parts.settings, [classifier.name for classifier in parts.classifiers])
    combinations = [] if job.search else list(grid(job.axes))
    most = max(trials.as_set.k, *(int(k) for axis in job.axes if axis.name == "retrieval.k" for k in axis.values), 0)
    tried = [trials.trial(values) for values in combinations]  # what cannot be is told before the work
    require_apart(parts.store, job.source, job.held_out, job.bits, on_progress)
    cache, failures = _cached(parts, job, job.source, SCORES, most, on_progress)
    held_out, more = _cached(parts, job, job.held_out, HELD_OUT_SCORES, most, on_progress)
    counted = _Counted(cache, Rescorer(cache, load), trials, job.figure, on_progress)
    counted.count([trials.as_set])
    if job.search:
        by_optuna(job.axes, job.search, counted.figures)
    else:
        counted.count(tried)
    chosen = counted.best
    judged = judged_once(
        held_out, Rescorer(held_out, load), trials.as_set, chosen, job.folder / HELD_OUT, job.bootstrap
    )
    return _report(job, cache, counted, chosen, judged, (*failures, *more))


def check_figure(figure: str) -> None:
    """Check that a figure can be tuned for. Raises ConfigError."""
    if figure not in FIGURES:
        raise ConfigError(f"a figure, one of {', '.join(FIGURES)}", repr(figure), "correct --figure")


class _Counted:
    """The trials that were counted, in order, the settings as they were first."""

    def __init__(
        self, cache: ScoreCache, rescorer: Rescorer, trials: Trials, figure: str, on_progress: OnProgress
    ) -> None:
        self.cache, self.rescorer, self.trials, self.figure = cache, rescorer, trials, figure
        self.on_progress = on_progress
        self.tried: list[Trial] = []
        self.rows: list[dict[str, float | None]] = []

    def count(self, trials: Sequence[Trial]) -> list[dict[str, float | None]]:
        """Count more of them. Raises DataError where the figure is that of no class."""
        pixels = self.figure.rpartition(".")[2] not in (*QUALITY, "pq_things", "pq_stuff")
        rows = count_trials(self.cache, trials, self.rescorer, pixels, self.on_progress).figures()
        if not self.tried and rows[0].get(self.figure) is None:
            todo = "choose another --figure; --seen says which classes are seen; isthing= of the source what is a thing"
            raise DataError(f"photos that have a figure {self.figure}", "none of its classes, or of unknown kind", todo)
        self.tried += trials
        self.rows += rows
        return rows

    def figures(self, values: Sequence[Values]) -> list[float | None]:
        """Return the figure of settings, which are counted."""
        return [row[self.figure] for row in self.count([self.trials.trial(each) for each in values])]

    @property
    def best(self) -> Trial:
        """The first with the highest figure."""
        figures = [-1.0 if (number := row[self.figure]) is None else number for row in self.rows]
        return self.tried[figures.index(max(figures))]


def _cached(
    parts: Segmenter, job: TuningJob, source: CheckedSource, name: str, neighbours: int, on_progress: OnProgress
) -> tuple[ScoreCache, tuple[Failure, ...]]:
    job.folder.mkdir(parents=True, exist_ok=True)
    folder = job.folder / name
    on_progress(Progress("cache scores", message=f"scores of {source.address}: {folder}"))
    return cache_scores(parts, source, folder, neighbours, job.seen, on_progress)


def _report(
    job: TuningJob, cache: ScoreCache, counted: _Counted, chosen: Trial, held_out: HeldOut,
    failures: tuple[Failure, ...],
) -> TuningReport:  # fmt: skip
    settings = [
        TriedSetting(short_names(trial.values), row) for trial, row in zip(counted.tried, counted.rows, strict=True)
    ]
    best = settings[counted.tried.index(chosen)]
    axes = [{"name": axis.name, "values": list(axis.values), "is_range": axis.is_range} for axis in job.axes]
    search = {"by": "optuna", **asdict(job.search)} if job.search else {"by": "grid"}
    return TuningReport(
        cache.head.source, len(cache), job.figure, settings[0], tuple(settings[1:]), best, chosen.nested, held_out,
        failures, {**search, "axes": axes},
    )  # fmt: skip
