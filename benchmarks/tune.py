"""Settings of the ensemble on cached scores: how long 2,000 of them take on 200 drawn scenes, and that they are right.

    python benchmarks/tune.py --out /tmp/tune [--stored 300] [--shown 200] [--settings 2000]

Builds a store of the miniature's scenes, caches the scores of others (one pass through the models), draws alpha, beta
and gamma at random, counts all settings, and evaluates five of them with `evaluate`, from the photos on. Prints a
table; asserts that each of the five has the same figures to 1e-9. Scores that an earlier run cached must be of as many
threads (OMP_NUM_THREADS): others round the models' numbers otherwise.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path
from typing import Any

import retclip
from retclip.own_files import claim_folder
from retclip.tuning_run import classifier_with
from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.count_trials import count_trials
from retclip.workflows.tuning.rescored import Rescorer
from retclip.workflows.tuning.trials import Trials

PRESET, EVALUATED = "miniature", 5
NAMES = ("ensemble.alpha", "ensemble.beta", "ensemble.gamma")
FIGURES = ("pq", "sq", "rq", "pq_things", "pq_stuff")


def built(out: Path, stored: int) -> Path:
    """The store, made where it is not there yet."""
    store = out / "store"
    with retclip.open(store, create=True, preset=PRESET) as memory:
        memory.build(f"miniature.scenes:{out / 'scenes'}?split=store&count={stored}")
    return store


def drawn(count: int) -> list[tuple[tuple[str, float], ...]]:
    """Random settings, the same in every run."""
    rng = random.Random(0)
    return [tuple((name, rng.random()) for name in NAMES) for _ in range(count)]


def evaluated(store: Path, source: str, values: tuple[tuple[str, float], ...]) -> tuple[dict[str, Any], float]:
    """What `evaluate` says of a setting, and how long it took."""
    settings = {"ensemble": {name.partition(".")[2]: number for name, number in values}}
    clock = time.monotonic()
    with retclip.open(store, settings=settings, preset=PRESET) as memory:
        evaluation = memory.evaluate(source, bootstrap=Bootstrap(drawings=0))
    groups = {f"{group}.{key}": getattr(row, key) for group, row in evaluation.groups.items() for key in FIGURES[:3]}
    return {**{key: getattr(evaluation, key) for key in FIGURES}, **groups}, time.monotonic() - clock


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("/tmp/tune"))
    parser.add_argument("--stored", type=int, default=300, help="scenes in the store")
    parser.add_argument("--shown", type=int, default=200, help="scenes that settings are counted on")
    parser.add_argument("--settings", type=int, default=2000)
    asked = parser.parse_args()
    claim_folder(asked.out, "benchmark")
    store, source = (
        built(asked.out, asked.stored),
        f"miniature.scenes:{asked.out / 'scenes'}?split=val&count={asked.shown}",
    )
    values = drawn(asked.settings)
    with retclip.open(store, preset=PRESET) as memory:
        parts, clock = memory.session.segmenter(), time.monotonic()
        cache, _ = cache_scores(parts, memory.source(source), asked.out / "scores", memory.settings.retrieval.k)
        cached = time.monotonic() - clock
        trials = Trials(memory.settings, [classifier.name for classifier in parts.classifiers])
        rescorer = Rescorer(cache, classifier_with(memory.session.components))
        clock, processor = time.monotonic(), time.process_time()
        figures = count_trials(cache, [trials.trial(each) for each in values], rescorer, pixels=False).figures()
        seconds, of_processor = time.monotonic() - clock, time.process_time() - processor
    size = sum(path.stat().st_size for path in cache.folder.iterdir()) / len(cache) / 1e6
    print(f"{len(cache)} scenes, {len(values)} settings: {seconds:.1f} s, {of_processor:.1f} s of processor time")
    print(f"one pass through the models (0 where it was there): {cached:.1f} s; {size:.2f} MB a scene on disk")
    worst = 0.0
    for n in range(min(EVALUATED, len(values))):
        wanted, took = evaluated(store, source, values[n])
        apart = max(abs(figures[n][key] - wanted[key]) for key in wanted)
        worst = max(worst, apart)
        setting = ", ".join(f"{name.partition('.')[2]} {number:.3f}" for name, number in values[n])
        print(f"{setting}: PQ {wanted['pq']:.4f}, evaluate took {took:.1f} s, figures at most {apart:.1e} apart")
    assert worst < 1e-9 and not math.isnan(worst), f"figures {worst} apart"


if __name__ == "__main__":
    main()
