"""Trials: values over the settings in effect, checked as the settings file is."""

import pytest

from retclip.config import load
from retclip.errors import ConfigError
from retclip.workflows.tuning.trials import Trials

CLASSIFIERS = ("retrieval.vote", "zero_shot.clip_text")
VOTE = "plugin.retrieval.vote"


@pytest.fixture
def trials():
    given = {"preset": "fc-clip", "ensemble": {"beta": 0.6}, "plugin": {"retrieval": {"vote": {"temperature": 0.1}}}}
    return Trials(load(None, given), CLASSIFIERS)


def test_what_a_trial_does_not_name_is_as_it_is_set(trials):
    as_set = trials.as_set
    assert (as_set.weights.alpha, as_set.weights.beta, as_set.weights.form, as_set.k) == (0.4, 0.6, "geometric", 32)
    trial = trials.trial((("ensemble.alpha", 0.2), ("retrieval.k", 8), (f"{VOTE}.vote", "rank")))
    assert (trial.weights.alpha, trial.weights.beta, trial.k) == (0.2, 0.6, 8)
    assert dict(trial.classifiers)["retrieval.vote"] == '{"temperature": 0.1, "vote": "rank"}'
    assert dict(trial.classifiers)["zero_shot.clip_text"] == dict(as_set.classifiers)["zero_shot.clip_text"]
    assert trial.nested == {
        "ensemble": {"alpha": 0.2}, "retrieval": {"k": 8}, "plugin": {"retrieval": {"vote": {"vote": "rank"}}},
    }  # fmt: skip
    assert (trial.words, as_set.words) == ("alpha=0.2 k=8 vote=rank", "as it is set")


def test_values_that_cannot_be_are_refused_by_name(trials):
    with pytest.raises(ConfigError, match="alpha: Input should be less than or equal to 1"):
        trials.trial((("ensemble.alpha", 1.5),))
    with pytest.raises(ConfigError, match="form: Input should be 'arithmetic' or 'geometric'"):
        trials.trial((("ensemble.form", "harmonic"),))
    with pytest.raises(ConfigError, match=r"classifiers that take part; got timm.labels"):
        trials.trial((("plugin.timm.labels.share", 0.5),))
