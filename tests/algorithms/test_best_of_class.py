"""The best m of each class: by hand, against loops, and the label that min-max gives with it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.best_of_class import best_of_class
from retclip.algorithms.retrieval_scores import retrieval_scores
from retclip.algorithms.vote_shares import vote_rule, vote_shares

CLASSES = 3
neighbour = st.tuples(st.integers(0, CLASSES - 1), st.integers(0, 16).map(lambda i: i / 8))  # exact in float32
rows_of_neighbours = st.lists(st.lists(st.one_of(neighbour, st.none()), max_size=8), min_size=1, max_size=3)
VOTES = ("minmax", "softmax", "rank")


def tensors(rows):
    """Return classes and distances of rows of (class, distance); None is a place without a neighbour."""
    k = max((len(row) for row in rows), default=0)
    padded = [[one or (-1, math.inf) for one in row] + [(-1, math.inf)] * (k - len(row)) for row in rows]
    classes = torch.tensor([[c for c, _ in row] for row in padded], dtype=torch.int64).reshape(len(rows), k)
    return classes, torch.tensor([[d for _, d in row] for row in padded], dtype=torch.float32).reshape(len(rows), k)


def weights(row, best):
    classes, distances = tensors([row])
    return best_of_class(classes, distances, classes >= 0, best)[0].tolist()


AABAB = [(0, 0.1), (0, 0.2), (1, 0.25), (0, 0.5), (1, 0.5)]


def test_the_nearest_m_of_each_class_share_its_mean():
    assert weights(AABAB, 1) == pytest.approx([1, 0, 1, 0, 0])
    assert weights(AABAB, 2) == pytest.approx([1 / 2, 1 / 2, 1 / 2, 0, 1 / 2])
    assert weights(AABAB, 3) == pytest.approx([1 / 3, 1 / 3, 1 / 2, 1 / 3, 1 / 2]), "class 1 has two alone"


def test_those_that_tie_for_the_last_places_share_them():
    # the first place is the first neighbour's, the second is shared by two
    assert weights([(0, 0.125), (0, 0.25), (0, 0.25), (0, 0.5)], 2) == pytest.approx([1 / 2, 1 / 4, 1 / 4, 0])


def test_a_hand_worked_vote():
    """u of minmax = 1 - (d - 0.1) / 0.4 = (1, 0.75, 0.625, 0, 0): class 0 has (1 + 0.75) / 2, class 1 0.625 / 2."""
    classes, distances = tensors([AABAB])
    scores = retrieval_scores(classes, distances, CLASSES, aggregate=2)
    assert scores[0].tolist() == pytest.approx([0.875, 0.3125, 0], abs=1e-6)
    # rank: 1/2, 1/3, 1/4 and, tied, (1/5 + 1/6) / 2 = 11/60; class 0 has (1/2 + 1/3) / 2, class 1 (1/4 + 11/60) / 2
    scores = retrieval_scores(classes, distances, CLASSES, "rank", aggregate=2)
    assert scores[0].tolist() == pytest.approx([50 / 76, 26 / 76, 0], abs=1e-6)


def test_a_class_of_many_gains_nothing_from_its_number():
    many = [(0, 0.5)] * 20 + [(1, 0.25), (1, 0.375)]
    classes, distances = tensors([many])
    assert int(retrieval_scores(classes, distances, CLASSES, "rank").argmax()) == 0, "twenty outvote two"
    assert int(retrieval_scores(classes, distances, CLASSES, "rank", aggregate=2).argmax()) == 1


def test_minmax_asks_which_class_is_nearest_on_average():
    """Where class 0 has the nearest neighbour and class 1 the nearest two, min-max alone is the nearest neighbour."""
    classes, distances = tensors([[(0, 0.125), (1, 0.25), (1, 0.25), (0, 1.0)]])
    alone, best = (retrieval_scores(classes, distances, CLASSES, aggregate=how) for how in ("max", 2))
    assert [int(scores.argmax()) for scores in (alone, best)] == [0, 1]


def slow_units(distances, vote):
    if vote == "minmax":
        low, high = min(distances), max(distances)
        return [1.0 if high == low else 1 - (d - low) / (high - low) for d in distances]
    if vote == "softmax":
        return [math.exp((1 - d) / 0.25) for d in distances]
    ordered = sorted(distances)
    ranks = [[rank for rank, other in enumerate(ordered) if other == d] for d in distances]
    return [sum(1 / (2 + rank) for rank in tied) / len(tied) for tied in ranks]


def slow_scores(row, vote, best):
    """Sort the neighbours of each class and take the mean of the first m."""
    met = sorted((one for one in row if one is not None), key=lambda one: one[1])
    units = slow_units([d for _, d in met], vote) if met else []
    means = []
    for c in range(CLASSES):
        nearest = [u for u, (y, _) in zip(units, met, strict=True) if y == c][:best]
        means.append(sum(nearest) / len(nearest) if nearest else 0.0)
    total = 1.0 if vote == "minmax" or not met else sum(means)
    return [mean / total for mean in means]


@settings(max_examples=100, deadline=None)
@given(rows_of_neighbours, st.sampled_from(VOTES), st.integers(1, 4))
def test_agrees_with_loops(rows, vote, best):
    classes, distances = tensors(rows)
    before = classes.clone(), distances.clone()
    scores = retrieval_scores(classes, distances, CLASSES, vote, best, temperature=0.25)
    shares = vote_shares(classes, distances, vote, best, temperature=0.25)
    assert torch.equal(classes, before[0]) and torch.equal(distances, before[1])
    for mine, row in zip(scores.tolist(), rows, strict=True):
        assert mine == pytest.approx(slow_scores(row, vote, best), abs=1e-5)
    for c in range(CLASSES):
        summed = torch.where(classes == c, shares, torch.zeros_like(shares)).sum(1)
        assert summed.tolist() == pytest.approx(scores[:, c].tolist(), abs=1e-6), "shares sum to the score"


@settings(max_examples=60, deadline=None)
@given(st.lists(neighbour, min_size=1, max_size=8), st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_order_of_the_neighbours_does_not_matter(row, best, shuffler):
    order = list(range(len(row)))
    shuffler.shuffle(order)
    moved = weights([row[index] for index in order], best)
    assert [moved[order.index(index)] for index in range(len(row))] == pytest.approx(weights(row, best))


def test_a_neighbour_beyond_the_limit_is_not_among_the_best():
    classes, distances = tensors([AABAB])
    near = retrieval_scores(classes, distances, CLASSES, aggregate=2, max_distance=0.3)
    # of (0.1, 0.2, 0.25) u = (1, 1/3, 0): class 1 is left with one
    assert near[0].tolist() == pytest.approx([(1 + 1 / 3) / 2, 0, 0], abs=1e-5)


@pytest.mark.parametrize("vote", VOTES)
def test_masks_without_neighbours_score_nothing(vote):
    nobody = [0.0] * CLASSES
    assert retrieval_scores(*tensors([[None], [(1, math.inf)]]), CLASSES, vote, 2).tolist() == [nobody, nobody]
    assert retrieval_scores(*tensors([[], []]), CLASSES, vote, 2).tolist() == [nobody, nobody]


def test_the_rule_in_one_line_says_how_many():
    assert vote_rule("minmax", 2).endswith("a class scores the mean of its 2 nearest")
    assert vote_rule("rank", 3).endswith("the mean of its 3 nearest, brought to sum 1")
