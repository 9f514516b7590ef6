"""Shares by hand for each rule, and their promise: those of a class sum to its retrieval score."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.retrieval_scores import retrieval_scores
from retclip.algorithms.vote_shares import vote_rule, vote_shares

CLASSES = 3
RULES = [("minmax", "max"), ("minmax", "mean"), ("softmax", "max"), ("rank", "max")]
neighbour = st.tuples(st.integers(0, CLASSES - 1), st.integers(0, 16).map(lambda i: i / 8))  # exact in float32
rows_of_neighbours = st.lists(st.lists(st.one_of(neighbour, st.none()), max_size=6), max_size=3)


def tensors(rows):
    """Classes and distances of rows of (class, distance); None is a place without a neighbour."""
    k = max((len(row) for row in rows), default=0)
    padded = [[one or (-1, math.inf) for one in row] + [(-1, math.inf)] * (k - len(row)) for row in rows]
    classes = torch.tensor([[c for c, _ in row] for row in padded], dtype=torch.int64).reshape(len(rows), k)
    return classes, torch.tensor([[d for _, d in row] for row in padded], dtype=torch.float32).reshape(len(rows), k)


def shares(row, *rule, **more):
    return vote_shares(*tensors([row]), *rule, **more)[0].tolist()


ABA = [(0, 0.1), (1, 0.2), (0, 0.5)]


def test_minmax_with_the_best_of_a_class_gives_everything_to_its_nearest():
    # u = 1 - (d - 0.1) / 0.4 = (1, 0.75, 0); class 0 scores its best, which is the first alone
    assert shares(ABA) == pytest.approx([1.0, 0.75, 0.0], abs=1e-6)
    # class 1 has u = 0.5 and 0.25, and scores 0.5
    assert shares([(0, 0.0), (1, 0.5), (1, 0.75), (0, 1.0)]) == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-6)


def test_minmax_neighbours_that_are_equally_near_share_their_class_s_score():
    # u = (1, 0.5, 0.5, 0): two of class 1 reach its best, half of 0.5 each
    assert shares([(0, 0.0), (1, 0.5), (1, 0.5), (2, 1.0)]) == pytest.approx([1.0, 0.25, 0.25, 0.0], abs=1e-6)
    # all distances equal: u = 1 for all; class 0 has two voters, class 2 one
    assert shares([(0, 0.25), (0, 0.25), (2, 0.25)]) == pytest.approx([0.5, 0.5, 1.0], abs=1e-6)


def test_minmax_with_the_mean_of_a_class_divides_by_how_many_it_has():
    # u = (1, 0.75, 0); class 0 has two neighbours: 1 / 2 and 0 / 2, and scores 1/2
    assert shares(ABA, "minmax", "mean") == pytest.approx([0.5, 0.75, 0.0], abs=1e-6)


def test_rank_gives_one_over_two_plus_rank_of_the_whole():
    # 1/2, 1/3, 1/4 over 13/12
    assert shares(ABA, "rank") == pytest.approx([6 / 13, 4 / 13, 3 / 13], abs=1e-6)
    # ranks 0 and 1 are tied: (1/2 + 1/3) / 2 = 5/12 each, beside 1/4 = 3/12; sum 13/12
    assert shares([(0, 0.5), (1, 0.5), (1, 1.0)], "rank") == pytest.approx([5 / 13, 5 / 13, 3 / 13], abs=1e-6)


def test_softmax_gives_the_exponential_of_the_whole():
    # at t = 0.1: e^9, e^8, e^5 over their sum
    total = math.exp(9) + math.exp(8) + math.exp(5)
    wanted = [math.exp(power) / total for power in (9, 8, 5)]
    assert shares(ABA, "softmax", temperature=0.1) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("rule", "wanted"), [
    (("minmax", "max"), [1.0, 0.0, 0.0]), (("minmax", "mean"), [1.0, 0.0, 0.0]), (("rank", "max"), [0.6, 0.4, 0.0]),
])  # fmt: skip
def test_a_neighbour_beyond_the_limit_has_no_share(rule, wanted):
    # of (0.1, 0.2, 0.5) two vote; minmax: u = (1, 0); rank: 1/2 and 1/3 over 5/6
    assert shares(ABA, *rule, max_distance=0.3) == pytest.approx(wanted, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(rows_of_neighbours, st.sampled_from(RULES), st.sampled_from([None, 0.5, 1.0]))
def test_the_shares_of_a_class_sum_to_its_score(rows, rule, limit):
    classes, distances = tensors(rows)
    before = classes.clone(), distances.clone()
    given_shares = vote_shares(classes, distances, *rule, 0.25, limit)
    assert torch.equal(classes, before[0]) and torch.equal(distances, before[1])
    assert given_shares.shape == classes.shape
    assert bool(((given_shares >= 0) & (given_shares <= 1)).all())
    assert bool((given_shares[classes < 0] == 0).all())
    wanted = retrieval_scores(classes, distances, CLASSES, *rule, temperature=0.25, max_distance=limit)
    for c in range(CLASSES):
        summed = torch.where(classes == c, given_shares, torch.zeros_like(given_shares)).sum(1)
        assert summed.tolist() == pytest.approx(wanted[:, c].tolist(), abs=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_equal_neighbours_of_a_class_have_equal_shares_whatever_their_order(rule):
    row = [(0, 0.25), (1, 0.5), (0, 0.25), (1, 0.75)]
    there, back = shares(row, *rule), shares(row[::-1], *rule)
    assert there == pytest.approx(back[::-1], abs=1e-6) and there[0] == there[2]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_near_has_no_share(rule):
    assert vote_shares(*tensors([]), *rule).shape == (0, 0)
    assert vote_shares(*tensors([[], []]), *rule).shape == (2, 0)
    assert shares([None, (1, math.inf)], *rule) == [0.0, 0.0]


def test_many_neighbours_of_many_classes_cost_no_square_of_them():
    classes = torch.arange(3000).repeat(2)[None] % 150
    distances = torch.linspace(0.1, 1.5, 6000)[None]
    found = vote_shares(classes, distances)
    assert found.sum().item() == pytest.approx(retrieval_scores(classes, distances, 150).sum().item(), rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(rows_of_neighbours, st.integers(0, 10_000), st.sampled_from([*RULES, ("rank", 2), ("minmax", 1)]))
def test_weighted_shares_sum_to_the_weighted_scores(rows, seed, rule):
    classes, distances = tensors(rows)
    weights = torch.rand(classes.shape, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    found = vote_shares(classes, distances, *rule, weights=weights)
    scores = retrieval_scores(classes, distances, CLASSES, *rule, weights=weights)
    for number in range(CLASSES):
        own = torch.where(classes == number, found, torch.zeros_like(found)).sum(1)
        assert own.tolist() == pytest.approx(scores[:, number].tolist(), abs=1e-5)
    assert ((found == 0) | (weights > 0)).all()


def test_the_rule_in_one_line_names_what_is_counted():
    assert vote_rule() == (
        "each neighbour counts 1 - (distance - nearest) / (farthest - nearest); a class scores its best neighbour"
    )
    assert vote_rule("minmax", "mean").endswith("a class scores the mean of its neighbours")
    assert "1 / (2 + rank)" in vote_rule("rank") and vote_rule("rank").endswith("the sum of its neighbours")
    assert "exp((1 - distance) / 0.25)" in vote_rule("softmax", temperature=0.25)
    assert vote_rule("rank", trusted="none that is doubted").endswith("neighbours; none that is doubted")
    assert vote_rule("rank", max_distance=0.3).endswith("; none beyond distance 0.3")
    assert all("\n" not in vote_rule(vote, aggregate) for vote, aggregate in RULES)
