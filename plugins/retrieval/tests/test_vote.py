"""Votes worked out by hand, asked of the classifier as a workflow asks it."""

from dataclasses import replace
from math import exp, inf

import numpy as np
import pytest
import torch
from retclip_retrieval import VoteSettings
from retclip_retrieval.vote import Vote

from retclip.errors import ConfigError
from retclip.types import Device, FeatureSpace, MaskProposals, Neighbours, Role, SegmentFeatures, Vocabulary

# Four classes: a and b have neighbours, the store holds c but nothing of it is near, d is in no store.
WORDS = Vocabulary(("a", "b", "c", "d"), (True,) * 4)
SUPPORTED = (True, True, True, False)


def near(classes, distances, supported=SUPPORTED):
    ids = np.full((len(classes), len(classes[0])), None, dtype=object)
    return Neighbours(ids, torch.tensor(classes), torch.tensor(distances), torch.tensor(supported))


def segments(count, covered=None):
    """Vectors are not looked at: the search has used them already."""
    space = FeatureSpace("test", "none", "none", "none", 2)
    flags = torch.tensor(covered if covered is not None else [True] * count, dtype=torch.bool)
    return SegmentFeatures(torch.zeros(count, 2), flags, space)


def score(neighbours, covered=None, words=WORDS, **given):
    count = len(neighbours.classes)
    proposals = MaskProposals(torch.ones(count, 1, 1), torch.ones(count), (4, 4))
    return Vote(VoteSettings(**given), Device()).score(proposals, segments(count, covered), words, neighbours)


ABA = near([[0, 1, 0]], [[0.1, 0.2, 0.5]])
E1, E2, E5 = (exp((1 - d) / 0.1) for d in (0.1, 0.2, 0.5))


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [1, 0.75, 0, 0]),  # of the span 0.4, b lies 0.1 from the nearest
        ({"aggregate": "mean"}, [(1 + 0) / 2, 0.75, 0, 0]),
        ({"vote": "rank"}, [9 / 13, 4 / 13, 0, 0]),  # 1/2, 1/3, 1/4 over 13/12
        ({"vote": "softmax", "temperature": 0.1}, [(E1 + E5) / (E1 + E2 + E5), E2 / (E1 + E2 + E5), 0, 0]),
        ({"vote": "rank", "aggregate": "mean"}, [9 / 13, 4 / 13, 0, 0]),  # aggregate is for minmax alone
        ({"max_distance": 0.3}, [1, 0, 0, 0]),  # a and b remain, the nearest and the farthest
        ({"vote": "rank", "max_distance": 0.3}, [3 / 5, 2 / 5, 0, 0]),
        ({"max_distance": 0.05}, [0, 0, 0, 0]),
        ({"per_class_best": 1}, [1, 0.75, 0, 0]),
        ({"per_class_best": 2}, [(1 + 0) / 2, 0.75, 0, 0]),  # b has one neighbour alone
        ({"per_class_best": 2, "aggregate": "max"}, [(1 + 0) / 2, 0.75, 0, 0]),  # goes before aggregate
        ({"vote": "rank", "per_class_best": 1}, [3 / 5, 2 / 5, 0, 0]),  # 1/2 and 1/3 over 5/6
    ],
)
def test_hand_worked_votes(settings, wanted):
    found = score(ABA, **settings)
    assert found.values.tolist() == [pytest.approx(wanted, abs=1e-5)]
    assert found.role is Role.RETRIEVAL
    assert found.classifier == "retrieval.vote"
    assert found.void is None


def test_a_smaller_temperature_trusts_the_nearest_more():
    sharp, soft = (score(ABA, vote="softmax", temperature=t).values[0, 0] for t in (0.02, 1.0))
    assert sharp > 0.99 > 0.7 > soft


def test_masks_are_judged_one_by_one():
    both = near([[0, 1, 0], [1, 0, 1]], [[0.1, 0.2, 0.5], [0.9, 1.0, 1.3]])
    assert score(both).values.tolist() == [pytest.approx([1, 0.75, 0, 0]), pytest.approx([0.75, 1, 0, 0])]


@pytest.mark.parametrize("vote", ["minmax", "softmax", "rank"])
def test_an_uncovered_mask_has_no_score_whatever_its_neighbours_say(vote):
    both = near([[0, 1], [0, 1]], [[0.1, 0.2], [0.1, 0.2]])
    found = score(both, covered=[False, True], vote=vote)
    assert found.values[0].tolist() == [0, 0, 0, 0]
    assert found.values[1, 0] > 0.5


@pytest.mark.parametrize("vote", ["minmax", "softmax", "rank"])
def test_places_without_a_neighbour_do_not_vote(vote):
    gaps = near([[1, -1, -1], [-1, -1, -1]], [[0.7, inf, inf], [inf, inf, inf]])
    assert score(gaps, vote=vote).values.tolist() == [pytest.approx([0, 1, 0, 0]), [0, 0, 0, 0]]


def test_knows_is_what_the_store_holds_and_not_what_came_near():
    """c scores 0 because nothing of it is near; d scores 0 because there is nothing of it at all."""
    assert score(ABA).knows.tolist() == [True, True, True, False]
    assert score(near([[0]], [[0.2]], supported=(True, False, False, False))).knows.tolist() == [True] + [False] * 3


def test_no_masks_is_a_valid_question():
    none = Neighbours(
        np.empty((0, 3), object), torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3), torch.tensor(SUPPORTED)
    )
    assert score(none).values.shape == (0, 4)


def test_without_neighbours_it_cannot_answer():
    proposals = MaskProposals(torch.ones(1, 1, 1), torch.ones(1), (4, 4))
    with pytest.raises(ConfigError, match=r"retrieval\.vote.*open a store"):
        Vote(VoteSettings(), Device()).score(proposals, segments(1), WORDS, None)


def test_a_mask_without_a_neighbour_in_reach_is_one_it_cannot_speak_of():
    found = score(near([[0, 1], [0, -1], [-1, -1]], [[0.1, 0.2], [0.5, inf], [inf, inf]]), max_distance=0.3)
    assert found.speaks.tolist() == [True, False, False]
    assert score(near([[0]], [[0.5]])).speaks.tolist() == [True]
    assert score(near([[0]], [[0.5]]), covered=[False]).speaks.tolist() == [False]


def test_it_asks_for_as_many_neighbours_of_each_class_as_it_reads():
    assert Vote(VoteSettings(per_class_best=3), Device()).neighbours_per_class == 3
    assert Vote(VoteSettings(), Device()).neighbours_per_class == 0


def test_the_best_of_each_class_have_the_shares():
    found = score(near([[0, 1, 0, 1]], [[0.0, 0.25, 0.5, 1.0]]), per_class_best=1)
    assert found.shares.tolist() == [pytest.approx([1, 0.75, 0, 0])]
    assert found.rule.endswith("the mean of its 1 nearest")


def test_certainty_is_said_where_its_distance_is_set():
    assert score(ABA).certainty is None
    two = near([[0, 1, 0], [0, -1, -1]], [[0.37, 0.4, 0.5], [0.53, inf, inf]])
    found = score(two, certainty_distance=0.45, certainty_width=0.08)
    assert found.certainty.tolist() == pytest.approx([1 / (1 + exp(-1)), 1 / (1 + exp(1))], abs=1e-5)
    assert torch.equal(found.values, score(two).values), "votes stay what they are"


DOUBTED = replace(ABA, trust=torch.tensor([[0.25, 0.6, float("nan")]]))


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"vote": "rank"}, [9 / 13, 4 / 13, 0, 0]),  # off: nobody asks for trust
        (
            {"vote": "rank", "trust": "weight", "least_trust": 0.5},
            [11 / 23, 12 / 23, 0, 0],
        ),  # the first counts 1/9, the third, unknown, whole
        ({"trust": "weight", "least_trust": 0.5}, [1 / 9, 0.75, 0, 0]),
        ({"trust": "weight", "least_trust": 0.25}, [1, 0.75, 0, 0]),  # trusted enough
        ({"trust": "weight"}, [1 / 4, 0.75, 0, 0]),  # odds 1/3 over 2/3
        ({"vote": "rank", "trust": "filter"}, [2 / 5, 3 / 5, 0, 0]),  # b and the second a remain: 1/2 and 1/3
        ({"vote": "rank", "trust": "filter", "least_trust": 0.2}, [9 / 13, 4 / 13, 0, 0]),
    ],
)
def test_trust_weighs_or_filters_the_vote(settings, wanted):
    found = score(DOUBTED, **settings)
    assert found.values.tolist() == [pytest.approx(wanted, abs=1e-5)]
    assert found.shares.sum().item() == pytest.approx(sum(wanted), abs=1e-5)  # explanations add up
    assert ("trust" in found.rule) == ("trust" in settings)
    assert Vote(VoteSettings(**settings), Device()).reads_trust == ("trust" in settings)


def test_a_store_without_trust_votes_as_ever():
    assert score(ABA, vote="rank", trust="weight").values.equal(score(ABA, vote="rank").values)
    assert score(ABA, vote="rank", trust="filter").values.equal(score(ABA, vote="rank").values)


def test_what_is_left_of_its_weight_is_said_where_pseudo_neighbours_are_set():
    assert score(ABA).shrinkage is None
    near_two = near([[0, 1, 0], [0, -1, -1]], [[0.1, 0.2, 0.5], [0.1, inf, inf]])
    found = score(near_two, pseudo_neighbours=2.0)
    assert found.shrinkage[:, :2].tolist() == [pytest.approx([2 / 4, 1 / 3]), pytest.approx([1 / 3, 0])]
    assert torch.equal(found.values, score(near_two).values), "votes stay what they are"
    assert score(near_two, agreement=True).shrinkage[:, 3].tolist() == [pytest.approx(2 / 3), 1.0]
    # who is out of reach does not vote, and so is not counted
    assert score(near_two, pseudo_neighbours=2.0, max_distance=0.3).shrinkage[0, 0] == pytest.approx(1 / 3)


ROADS = [0, 0, 0, 1, 1, 1, 1, 1]  # three roads; of the rest two pavements, a wall, a fence and a bridge
NEAREST = [0.1, 0.2, 0.3, 0.15, 0.25, 0.4, 0.45, 0.5]


@pytest.mark.parametrize("vote", ["minmax", "softmax", "rank"])
def test_each_class_of_the_rest_counts_its_own_neighbours(vote):
    """As if each had been asked for: a = 3/8, and with m = 2 the rest has the 2/4 of the pavements, which speak."""
    asked = near([[0, 0, 0, 1, 1, 2, 3, 4]], [NEAREST], (True,) * 5)
    rest = replace(near([ROADS], [NEAREST], (True, True)), of_rest=torch.tensor([[-1, -1, -1, 4, 4, 9, 2, 7]]))
    words = Vocabulary(("road", "(not asked)"), (False, False), has_rest=True)
    for given in ({"pseudo_neighbours": 2.0}, {"agreement": True}, {"pseudo_neighbours": 2.0, "agreement": True}):
        each = Vote(VoteSettings(vote=vote, **given), Device()).vote(asked, torch.tensor([True]))
        found = score(rest, words=words, vote=vote, **given)
        assert found.shrinkage[0].tolist() == pytest.approx(each.shrinkage[0, :2].tolist())
        assert found.values[0].tolist() == pytest.approx(each.values[0, :2].tolist())
    assert found.shrinkage[0].tolist() == pytest.approx([3 / 5 * 3 / 8, 2 / 4 * 3 / 8])
    none = replace(near([[0, 0, -1]], [[0.1, 0.2, inf]], (True, True)), of_rest=torch.tensor([[-1, -1, -1]]))
    assert score(none, words=words, vote=vote, agreement=True).shrinkage[0].tolist() == [1.0, 1.0]
    assert score(none, words=words, vote=vote, pseudo_neighbours=2.0).shrinkage[0].tolist() == [0.5, 0.0]
