"""Every setting on cached scores has the figures that `evaluate` gives for it, to 1e-9."""

import random
from dataclasses import asdict

import pytest
import torch

from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.tuning.cache_scores import cache_scores
from retclip.workflows.tuning.count_trials import count_trials, counts_of
from retclip.workflows.tuning.fused_evaluation import evaluate_fusion, evaluation_of
from retclip.workflows.tuning.held_out import settings_of
from retclip.workflows.tuning.rescored import Rescorer
from retclip.workflows.tuning.score_cache import ScoreCache
from retclip.workflows.tuning.table_counts import is_tabled
from retclip.workflows.tuning.trial_sums import FIGURES
from retclip.workflows.tuning.trials import Trials

VOTE = "plugin.retrieval.vote"
NO_INTERVALS = Bootstrap(drawings=0)


def drawn(seed):
    """A random setting of everything that may be tried."""
    rng = random.Random(seed)
    values = {
        "ensemble.alpha": rng.random(), "ensemble.beta": rng.random(), "ensemble.gamma": rng.random(),
        "ensemble.form": rng.choice(["arithmetic", "geometric"]), "ensemble.unknown": rng.choice(["fallback", "zero"]),
        "ensemble.renormalise": rng.random() < 0.5,
        "ensemble.void": ("discount", "apart", "rival", "ignored", "rival")[seed],
        "ensemble.void_correction": rng.choice([0.0, 0.5]),
        "retrieval.k": rng.choice([1, 3, 8, 32]),
        f"{VOTE}.vote": rng.choice(["minmax", "softmax", "rank"]), f"{VOTE}.temperature": rng.uniform(0.02, 0.3),
        f"{VOTE}.aggregate": rng.choice(["max", "mean"]), f"{VOTE}.max_distance": rng.choice([None, 0.3, 0.8]),
        "plugin.zero_shot.clip_text.scale": rng.uniform(20, 120),
        "segment.object_mask_threshold": rng.choice([0.0, 0.2]), "segment.overlap_threshold": rng.uniform(0.2, 0.9),
        "segment.mask_threshold": rng.uniform(0.3, 0.6),
    }  # fmt: skip
    return tuple(values.items())


def trials_of(memory, many):
    made = Trials(memory.settings, [classifier.name for classifier in memory.session.segmenter().classifiers])
    return [made.trial(values) for values in many]


def figures_of(evaluation):
    """The figures of an evaluation by the names of trials'."""
    groups = {f"{name}.{key}": number for name, row in evaluation.groups.items() for key, number in asdict(row).items()}
    return {**{key: getattr(evaluation, key) for key in FIGURES if "." not in key}, **groups}


def same(first, second):
    return first == second or first == pytest.approx(second, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_setting_has_the_figures_of_evaluate(tuned, cache, load, seed):
    values = drawn(seed)
    with tuned.open() as memory:
        (trial,) = trials_of(memory, [values])
    with tuned.open(trial.nested) as memory:
        wanted = memory.evaluate(tuned.address, bootstrap=NO_INTERVALS)
    rescorer = Rescorer(cache, load)
    (quality,) = count_trials(cache, [trial], rescorer, pixels=False).figures()
    (everything,) = count_trials(cache, [trial], rescorer, pixels=True).figures()
    expected = figures_of(wanted)
    assert {"pq", "unseen.pq", "seen.sq", "pq_stuff"} <= quality.keys() and "miou" not in quality
    assert everything.keys() == set(FIGURES)
    for name, number in everything.items():
        assert same(number, expected[name]), name
        assert name not in quality or same(quality[name], number), name
    counts = [counts_of(cache, photo, trial, rescorer) for photo in cache.photos()]
    whole = evaluation_of(cache, counts, settings_of(cache, trial), NO_INTERVALS)
    mine, theirs = (asdict(each) for each in (whole, wanted))
    assert mine["map"] is not None and mine["calibration_error"] is not None
    for key in mine.keys() - {"settings", "failures"}:
        assert same(mine[key], theirs[key]) if isinstance(mine[key], float) else mine[key] == theirs[key], key


def test_many_settings_at_once_are_each_alone(tuned, cache, load):
    rng = random.Random(7)
    grid = [
        (("ensemble.alpha", a), ("ensemble.beta", b), ("ensemble.gamma", c), ("segment.overlap_threshold", t))
        for a, b, c in ((rng.random(), rng.random(), rng.random()) for _ in range(40))
        for t in (0.5, 0.8)
    ]
    with tuned.open() as memory:
        trials = trials_of(memory, grid)
    rescorer = Rescorer(cache, load)
    together = count_trials(cache, trials, rescorer, pixels=False).figures()
    assert len({row["pq"] for row in together}) > 10
    for n in (0, 17, 79):
        (alone,) = count_trials(cache, [trials[n]], rescorer, pixels=True).figures()
        assert all(same(number, alone[name]) for name, number in together[n].items())


def test_void_islands_that_are_closed_are_counted_on_the_map(tuned, cache, load):
    """Tables of pixels cannot say what becomes of islands; then the map is made, and says what `evaluate` says."""
    changes = (("segment.smallest_void", 0.5), ("ensemble.gamma", 0.6))
    with tuned.open() as memory:
        trials = trials_of(memory, [changes, changes[1:]])
    assert not is_tabled(cache.photo(0).scored.proposals, trials[0].segment, cache.head.provides)
    closed, left = count_trials(cache, trials, Rescorer(cache, load), pixels=False).figures()
    with tuned.open(trials[0].nested) as memory:
        assert same(closed["pq"], memory.evaluate(tuned.address, bootstrap=NO_INTERVALS).pq)
    assert closed["pq"] != left["pq"]


def test_a_fusion_of_ones_own_is_evaluated_on_cached_scores(tuned, cache):
    ours = {"ensemble": {"form": "arithmetic", "unknown": "fallback", "renormalise": True, "void": "discount"}}
    with tuned.open(ours) as memory:
        (as_set,) = trials_of(memory, [()])
        wanted = memory.evaluate(tuned.address, bootstrap=NO_INTERVALS)

    def papers(photo):
        """The ensemble as it is set, written again by hand: all classes are known, all masks covered."""
        weights, seen = as_set.weights, photo.scored.seen
        ret, clip, head = photo.scored.sources
        gamma = torch.where(ret.knows & ret.speaks[:, None], weights.gamma, 0.0)
        oov = gamma * ret.values + (1 - gamma) * clip.values
        share = torch.where(seen, weights.alpha, weights.beta)
        mixed = share * oov + (1 - share) * head.values
        return mixed / mixed.sum(1, keepdim=True) * (1 - head.void)[:, None], head.void

    evaluation = evaluate_fusion(cache, papers, bootstrap=NO_INTERVALS)
    assert evaluation.pq == pytest.approx(wanted.pq, abs=0.05)
    assert evaluation.miou == pytest.approx(wanted.miou, abs=0.05)
    nothing = evaluate_fusion(cache, lambda photo: (torch.zeros(len(photo.scored.proposals), len(cache.head.names)),
                                                    torch.ones(len(photo.scored.proposals))))  # fmt: skip
    assert nothing.pq == 0 and nothing.settings["fusion"] == "<lambda>"


def test_what_is_stored_and_not_annotated_competes_in_the_cache_as_in_evaluate(tuned, load, tmp_path):
    address = f"{tuned.address}&things=bear&things=butterfly"
    with tuned.open() as memory:
        cache, _ = cache_scores(memory.session.segmenter(), memory.source(address), tmp_path / "scores", 32)
        wanted = memory.evaluate(address, bootstrap=NO_INTERVALS)
        (trial,) = trials_of(memory, [()])
    cache = ScoreCache.opened(cache.folder)
    assert cache.vocabulary.has_rest and cache.head.rest and not set(cache.head.rest) & set(cache.head.names)
    counts = [counts_of(cache, photo, trial, Rescorer(cache, load)) for photo in cache.photos()]
    whole = evaluation_of(cache, counts, settings_of(cache, trial), NO_INTERVALS)
    (quality,) = count_trials(cache, [trial], Rescorer(cache, load), pixels=False).figures()
    assert same(whole.pq, wanted.pq) and same(whole.miou, wanted.miou) and same(whole.map, wanted.map)
    assert same(quality["pq"], wanted.pq)
    other = tuple({f"{VOTE}.vote": "rank", "retrieval.k": 8}.items())  # asked again, of the rest as of the others
    with tuned.open() as memory:
        (trial,) = trials_of(memory, [other])
    with tuned.open(trial.nested) as memory:
        wanted = memory.evaluate(address, bootstrap=NO_INTERVALS)
    assert same(count_trials(cache, [trial], Rescorer(cache, load), pixels=True).figures()[0]["miou"], wanted.miou)
