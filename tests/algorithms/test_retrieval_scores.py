"""The three votes by hand and against loops, and every way in which a mask can lack neighbours."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.retrieval_scores import VOTES, retrieval_scores, trust_weights
from retclip.errors import ConfigError

CLASSES = 3
# eighths are exact in float32, so that ties are ties; None is a place without a neighbour
neighbour = st.tuples(st.integers(0, CLASSES - 1), st.integers(0, 16).map(lambda i: i / 8))
neighbours = st.lists(st.one_of(neighbour, st.none()), max_size=5)
votes = st.sampled_from([("minmax", "max"), ("minmax", "mean"), ("softmax", "max"), ("rank", "max")])


def scores(rows, vote="minmax", aggregate="max", **more):
    """The answer for rows of (class, distance); None is "no neighbour", written as the index writes it."""
    k = max((len(row) for row in rows), default=0)
    padded = [[one or (-1, math.inf) for one in row] + [(-1, math.inf)] * (k - len(row)) for row in rows]
    classes = torch.tensor([[c for c, _ in row] for row in padded], dtype=torch.int64).reshape(len(rows), k)
    distances = torch.tensor([[d for _, d in row] for row in padded], dtype=torch.float32).reshape(len(rows), k)
    before = classes.clone(), distances.clone()
    found = retrieval_scores(classes, distances, CLASSES, vote, aggregate, **more)
    assert torch.equal(classes, before[0]) and torch.equal(distances, before[1])
    return found.tolist()


def test_the_worked_example():
    row = [(0, 0.1), (1, 0.2), (0, 0.5)]
    # minmax: u = 1 - (d - 0.1) / 0.4 = (1, 0.75, 0); the best of class 0 is 1, the mean (1 + 0) / 2
    assert scores([row])[0] == pytest.approx([1.0, 0.75, 0.0], abs=1e-6)
    assert scores([row], aggregate="mean")[0] == pytest.approx([0.5, 0.75, 0.0], abs=1e-6)
    # rank: 1/2, 1/3, 1/4 over 13/12 = 6/13, 4/13, 3/13; class 0 has 6 + 3
    assert scores([row], "rank")[0] == pytest.approx([9 / 13, 4 / 13, 0.0], abs=1e-6)
    # softmax at t = 0.1: e^9, e^8, e^5 over their sum
    total = math.exp(9) + math.exp(8) + math.exp(5)
    wanted = [(math.exp(9) + math.exp(5)) / total, math.exp(8) / total, 0.0]
    assert scores([row], "softmax", temperature=0.1)[0] == pytest.approx(wanted, abs=1e-5)


def slow_units(distances, vote, temperature):
    if vote == "minmax":
        low, high = min(distances), max(distances)
        return [1.0 if high == low else 1 - (d - low) / (high - low) for d in distances]
    if vote == "softmax":
        powers = [math.exp((1 - d) / temperature) for d in distances]
        return [one / sum(powers) for one in powers]
    # the mean over every order in which equal distances may come
    orders = [o for o in itertools.permutations(range(len(distances))) if is_sorted([distances[i] for i in o])]
    weights = [sum(1 / (2 + o.index(i)) for o in orders) / len(orders) for i in range(len(distances))]
    return [one / sum(weights) for one in weights]


def is_sorted(numbers):
    return all(a <= b for a, b in itertools.pairwise(numbers))


def slow_scores(row, vote, aggregate, temperature=0.25):
    met = [one for one in row if one is not None]
    units = slow_units([d for _, d in met], vote, temperature) if met else []
    answer = []
    for c in range(CLASSES):
        mine = [u for u, (y, _) in zip(units, met, strict=True) if y == c]
        total = max(mine) if vote == "minmax" and aggregate == "max" and mine else sum(mine)
        answer.append(total / len(mine) if vote == "minmax" and aggregate == "mean" and mine else total)
    return answer


@settings(max_examples=100, deadline=None)
@given(st.lists(neighbours, max_size=3), votes)
def test_agrees_with_loops(rows, how):
    found = scores(rows, *how, temperature=0.25)
    assert len(found) == len(rows)
    for mine, row in zip(found, rows, strict=True):
        assert mine == pytest.approx(slow_scores(row, *how), abs=1e-5)


@settings(max_examples=80, deadline=None)
@given(neighbours, neighbours, votes, st.randoms(use_true_random=False))
def test_neither_order_nor_the_other_masks_matter(row, other, how, shuffler):
    alone = scores([row], *how)[0]
    mixed = list(row)
    shuffler.shuffle(mixed)
    assert scores([mixed], *how)[0] == pytest.approx(alone, abs=1e-6)
    assert scores([other, row], *how)[1] == pytest.approx(alone, abs=1e-6)
    assert scores([[*row, None, None]], *how)[0] == pytest.approx(alone, abs=1e-6)


@settings(max_examples=80, deadline=None)
@given(neighbours, votes)
def test_scores_are_shares_and_zero_without_evidence(row, how):
    found = scores([row], *how)[0]
    met = {one[0] for one in row if one is not None}
    assert all(0 <= one <= 1 + 1e-6 for one in found)
    assert all(one == 0 for c, one in enumerate(found) if c not in met)
    if how[0] != "minmax":
        assert sum(found) == pytest.approx(1.0 if met else 0.0, abs=1e-6)
    elif how[1] == "max" and met:
        nearest = min(d for _, d in filter(None, row))
        assert all(found[c] == 1.0 for c, d in filter(None, row) if d == nearest), "the nearest always scores 1"


@settings(max_examples=80, deadline=None)
@given(neighbours, votes, st.integers(0, 16).map(lambda i: i / 8))
def test_a_neighbour_beyond_the_limit_is_as_good_as_none(row, how, limit):
    near = [one if one is not None and one[1] <= limit else None for one in row]
    assert scores([row], *how, max_distance=limit)[0] == pytest.approx(scores([near], *how)[0], abs=1e-6)


@pytest.mark.parametrize("vote", VOTES)
def test_the_degenerate_masks(vote):
    nobody = [0.0, 0.0, 0.0]
    assert scores([], vote) == []
    assert scores([[], []], vote) == [nobody, nobody], "k = 0"
    assert scores([[None, None]], vote) == [nobody]
    assert scores([[(1, math.inf)]], vote) == [nobody], "a class at no distance is no neighbour"
    assert scores([[(-1, 0.1), (2, 0.3)]], vote)[0] == pytest.approx([0, 0, 1]), "a distance of no class is none"
    assert scores([[(1, 1.9)]], vote)[0] == pytest.approx([0, 1, 0]), "one neighbour, however far"
    assert scores([[(1, 0.5)]], vote, max_distance=0.4) == [nobody]
    assert scores([[(1, 0.5)]], vote, max_distance=0.5)[0] == pytest.approx([0, 1, 0]), "the limit itself still votes"
    # all distances equal: each class has all of minmax's 1, or its share of the other votes' 1
    tied = scores([[(0, 0.25), (0, 0.25), (2, 0.25)]], vote)[0]
    assert tied == pytest.approx([1, 0, 1] if vote == "minmax" else [2 / 3, 0, 1 / 3])


@settings(max_examples=40, deadline=None)
@given(st.lists(neighbour, min_size=1, max_size=5), st.sampled_from([0.25, 0.5, 2.0]))
def test_only_softmax_hears_how_far_the_neighbours_are(row, factor):
    moved = [(c, 0.125 + factor * d) for c, d in row]
    for vote in ("minmax", "rank"):
        assert scores([moved], vote)[0] == pytest.approx(scores([row], vote)[0], abs=1e-5)


def test_a_colder_softmax_is_surer_of_the_nearest():
    row = [(0, 0.25), (1, 0.5)]
    shares = [scores([row], "softmax", temperature=t)[0][0] for t in (1.0, 0.1, 0.01)]
    # 1 / (1 + e^(-0.25 / t))
    assert shares == pytest.approx([1 / (1 + math.exp(-0.25 / t)) for t in (1.0, 0.1, 0.01)], abs=1e-5)
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("setting", "word"),
    [("vote", "min-max"), ("vote", "MinMax"), ("vote", ""), ("aggregate", "avg"), ("aggregate", "amax")],
)
def test_a_vote_that_does_not_exist_is_refused(unhooked, setting, word):
    """Before, "min-max" was softmax and "avg" was mean. An aggregate is checked whether or not the vote reads it."""
    classes, distances = torch.tensor([[0, 1]]), torch.tensor([[0.1, 0.2]])
    for vote in ("minmax", "rank"):
        with pytest.raises(ConfigError, match=f"{setting} to be one of .*; got '{word}'"):
            unhooked("retrieval_scores").retrieval_scores(classes, distances, 2, **{"vote": vote, setting: word})


def test_trust_weighs_votes_as_the_worked_example_says():
    trust = torch.tensor([[0.25, 0.6, math.nan, 0.5, 0.0, 1.0]])
    assert trust_weights(trust, 0.5).tolist()[0] == pytest.approx([1 / 9, 1, 1, 1, 0, 1])
    assert trust_weights(trust, 0.4).tolist()[0] == pytest.approx([1 / 4, 1, 1, 1, 0, 1])
    assert trust_weights(trust, 0.2).tolist()[0] == pytest.approx([1, 1, 1, 1, 0, 1])
    assert trust_weights(trust, 0.0).tolist()[0] == [1, 1, 1, 1, 1, 1]  # none is trusted less
    assert trust_weights(trust, 1.0).tolist()[0] == [0, 0, 1, 0, 0, 1]
    classes, distances = torch.tensor([[0, 1, 0]]), torch.tensor([[0.1, 0.2, 0.5]])
    weights = trust_weights(torch.tensor([[0.25, 0.6, math.nan]]), 0.5)
    found = retrieval_scores(classes, distances, 3, "rank", weights=weights)
    assert found.tolist()[0] == pytest.approx([11 / 23, 12 / 23, 0.0])
    best = retrieval_scores(classes, distances, 3, weights=weights)
    assert best.tolist()[0] == pytest.approx([1 / 9, 0.75, 0.0])  # not brought to a sum


@pytest.mark.parametrize("vote", ["minmax", "softmax", "rank"])
def test_whole_weights_change_nothing_and_no_weight_no_score(vote):
    classes, distances = torch.tensor([[0, 1, 0, -1]]), torch.tensor([[0.1, 0.2, 0.5, math.inf]])
    plain = retrieval_scores(classes, distances, 3, vote)
    assert torch.allclose(retrieval_scores(classes, distances, 3, vote, weights=torch.ones(1, 4)), plain)
    assert not retrieval_scores(classes, distances, 3, vote, weights=torch.zeros(1, 4)).any()
