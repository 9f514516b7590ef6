"""What a person writes for a grid: values, ranges, names short and full, and what cannot be tried."""

import pytest

from retclip.errors import ConfigError
from retclip.workflows.tuning.grid import Axis, axes_of, axes_of_table, grid

VOTE = "plugin.retrieval.vote"


def test_evenly_spaced_values_lists_and_ranges():
    texts = ["alpha=0:1:11", "vote=minmax, rank", "max_distance=none,0.5", "k=1:9:3", "segment.smallest_void=0.01"]
    alpha, vote, distance, k, void = axes_of([*texts])
    assert alpha == Axis("ensemble.alpha", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0))
    assert vote == Axis(f"{VOTE}.vote", ("minmax", "rank"))
    assert distance == Axis(f"{VOTE}.max_distance", (None, 0.5))
    assert (k, void) == (Axis("retrieval.k", (1, 5, 9)), Axis("segment.smallest_void", (0.01,)))
    assert axes_of(["gamma=0.1:0.9"]) == (Axis("ensemble.gamma", (0.1, 0.9), is_range=True),)
    assert axes_of(["scale=100:100:1", "renormalise=true,false"])[1].values == (True, False)


def test_nothing_is_the_papers_three_in_steps_of_a_tenth():
    axes = axes_of([])
    assert [axis.name for axis in axes] == ["ensemble.alpha", "ensemble.beta", "ensemble.gamma"]
    assert len(list(grid(axes))) == 11**3


def test_a_file_says_the_same(toml):
    file = toml(
        '[grid]\nalpha = "0:1:3"\nvote = ["rank"]\n"segment.mask_cost" = 0.1\nplugin.timm.labels.share = [0.5]\n'
    )
    wanted = axes_of(["alpha=0:1:3", "vote=rank", "segment.mask_cost=0.1", "plugin.timm.labels.share=0.5"])
    assert set(axes_of([], file)) == set(wanted)
    assert axes_of(["k=4"], file)[-1] == Axis("retrieval.k", (4,))
    assert axes_of_table({"k": (4, 8), "alpha": "0:1:2"}) == axes_of(["k=4,8", "alpha=0:1:2"])
    with pytest.raises(ConfigError, match=r"a table \[grid\]"):
        axes_of([], toml("[ensemble]\nalpha = 0.5"))


def test_every_combination_the_last_fastest():
    combinations = list(grid(axes_of(["alpha=0,1", "k=2,3"])))
    assert combinations[:2] == [
        (("ensemble.alpha", 0), ("retrieval.k", 2)),
        (("ensemble.alpha", 0), ("retrieval.k", 3)),
    ]
    assert len(combinations) == 4


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["alpha"], "NAME=VALUES"),
        (["alpha="], "values of alpha"),
        (["alpha=0:1:x"], "FROM:TO:COUNT"),
        (["alpha=1:0:3"], "FROM at most TO"),
        (["alpha=0:1:2:3"], "FROM:TO:COUNT"),
        (["alpha=0:inf"], "FROM:TO:COUNT"),
        (["alpha=0:1:2.5"], "FROM:TO:COUNT"),
        (["alpha=0:1:0"], "at least one value"),
        (["alpha=0", "ensemble.alpha=1"], "each setting once"),
        (["components.backbone=x"], "decided by, after the models"),
        (["retrieval.min_trust=0.5"], "decided by, after the models"),
    ],
)
def test_what_cannot_be_tried_is_refused(texts, words):
    with pytest.raises(ConfigError, match=words):
        axes_of(texts)


def test_a_grid_of_ranges_or_without_end_is_refused():
    with pytest.raises(ConfigError, match=r"range alpha=0:1.*--search optuna"):
        grid(axes_of(["alpha=0:1"]))
    with pytest.raises(ConfigError, match=r"at most 200,000 settings; got 1,000,000"):
        grid(axes_of(["alpha=0:1:100", "beta=0:1:100", "gamma=0:1:100"]))
