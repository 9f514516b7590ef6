"""The chosen setting on photos that it was not chosen by, beside the settings as they were.

Each setting that is judged has a folder of an evaluation there, as `retclip evaluate --out` writes it; how many there
are says how often somebody has looked. Whoever looks often enough chooses by these photos, too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retclip.workflows.evaluation.evaluation_difference import evaluation_difference
from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation
from retclip.workflows.evaluation.run_folder import Configuration, Part, RunFolder
from retclip.workflows.tuning.count_trials import counts_of
from retclip.workflows.tuning.fused_evaluation import evaluation_of
from retclip.workflows.tuning.rescored import Rescorer
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.trials import Trial
from retclip.workflows.tuning.tuning_report import HeldOut

AS_SET, CHOSEN = "as_set", "chosen"


def judged_once(
    cache: ScoreCache, rescorer: Rescorer, as_set: Trial, chosen: Trial, folder: Path, bootstrap: Bootstrap
) -> HeldOut:
    """Evaluate both settings on held-out photos. folder: of the evaluations.

    Raises ConfigError, DataError for a folder that cannot be.
    """
    rescorer.check([as_set, chosen])
    first = _judged(cache, rescorer, as_set, folder / AS_SET, bootstrap)
    second = _judged(cache, rescorer, chosen, folder / f"{CHOSEN}-{digest_of(chosen)}", bootstrap)
    change = evaluation_difference(first[0], second[0], bootstrap)
    looks = len(list(folder.glob(f"{CHOSEN}-*/")))
    return HeldOut(cache.head.source, first[1], second[1], change, looks)


def digest_of(trial: Trial) -> str:
    """Return 12 digits that stand for the settings of a trial."""
    text = json.dumps([asdict(trial.weights), trial.segment.model_dump(), trial.k, trial.classifiers], default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _judged(
    cache: ScoreCache, rescorer: Rescorer, trial: Trial, folder: Path, bootstrap: Bootstrap
) -> tuple[RunFolder, Evaluation]:
    head, settings = cache.head, settings_of(cache, trial)
    configuration = Configuration(head.source, head.images, head.names, head.kinds, head.groups, head.missing, settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    run = RunFolder.started(folder, configuration, Part())
    for number in cache.numbers:
        if number not in run:
            run.append(counts_of(cache, cache.photo(number), trial, rescorer))
    evaluation = evaluation_of(cache, run.counts(), settings, bootstrap)
    run.write(evaluation)
    return run, evaluation


def settings_of(cache: ScoreCache, trial: Trial) -> dict[str, Any]:
    """Return what produces the answers of a trial."""
    retrieval = {**cache.head.settings["retrieval"], "k": trial.k}
    return {
        **cache.head.origin, "ensemble": asdict(trial.weights), "segment": trial.segment.model_dump(mode="json"),
        "retrieval": retrieval, "classifiers": dict(trial.classifiers),
    }  # fmt: skip
