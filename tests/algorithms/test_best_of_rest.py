"""The best of the rest: by hand, and as if each class of it had been asked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.best_of_rest import best_of_rest, of_speaker, rest_apart, speaker_of_rest
from retclip.algorithms.retrieval_scores import retrieval_scores
from retclip.algorithms.vote_shares import vote_shares

RULES = [("minmax", "max"), ("minmax", "mean"), ("softmax", "max"), ("rank", "max")]


def test_classes_of_the_rest_are_numbered_behind_what_was_not_asked():
    found = rest_apart(torch.tensor([[0, 1, 1, 2, -1]]), torch.tensor([[-1, 7, 4, -1, -1]]), 2)
    assert found[0, 0] == 0 and found[0, 3:].tolist() == [2, -1]
    assert found[0, 1] != found[0, 2] and int(found[0, 1:3].min()) > 2


def test_what_many_classes_say_is_not_added_up():
    """Road 0.4; pavement 0.3, wall 0.2 and 0.1: equal sums, of which the first class has it."""
    classes = rest_apart(torch.tensor([[0, 1, 1, 1]]), torch.tensor([[-1, 0, 1, 1]]), 2)
    votes = torch.tensor([[0.4, 0.3, 0.2, 0.1]])
    values = torch.zeros(1, int(classes.max()) + 1).scatter_add(1, classes, votes)
    found, shares = best_of_rest(values, votes, classes, 2)
    assert found[0].tolist() == pytest.approx([0.4, 0.3])
    assert shares[0].tolist() == pytest.approx([0.4, 0.3, 0, 0])


def test_without_a_neighbour_of_the_rest_it_has_no_vote():
    classes = rest_apart(torch.tensor([[0, 2]]), torch.tensor([[-1, -1]]), 2)
    found, shares = best_of_rest(torch.tensor([[0.6, 0.0, 0.4]]), torch.tensor([[0.6, 0.0]]), classes, 2)
    assert found[0].tolist() == pytest.approx([0.6, 0.0]) and shares[0].tolist() == pytest.approx([0.6, 0.0])


def test_what_is_counted_by_class_is_that_of_the_speaker():
    by_class = torch.tensor([[0.6, 0.0, 0.1, 0.5, 0.2]])
    assert of_speaker(by_class, torch.tensor([3]), 2)[0].tolist() == pytest.approx([0.6, 0.5])
    assert speaker_of_rest(by_class, 2).tolist() == [3]
    assert speaker_of_rest(by_class[:, :2], 2).tolist() == [2], "no neighbour is of the rest"
    assert of_speaker(by_class[:, :3], torch.tensor([2]), 2)[0].tolist() == pytest.approx([0.6, 0.1])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.sampled_from(RULES))
def test_each_class_votes_as_if_it_had_been_asked_for(seed, asked, more, rule):
    """Of c asked classes, the rest with `more` of its own, and what was not asked at all; some places are empty."""
    generator = torch.Generator().manual_seed(seed)
    every = torch.randint(-1, asked + more + 1, (3, 8), generator=generator)  # asked, then the rest's, then no one's
    distances = torch.rand(3, 8, generator=generator).sort(dim=1).values
    wanted = retrieval_scores(every, distances, asked + more + 1, *rule)
    of_rest = torch.where((every >= asked) & (every < asked + more), every - asked, -1)
    classes = torch.where(of_rest >= 0, asked, torch.where(every == asked + more, asked + 1, every))
    classes = rest_apart(classes, of_rest, asked + 1)
    values = retrieval_scores(classes, distances, max(asked + 1, int(classes.max()) + 1), *rule)
    found, shares = best_of_rest(values, vote_shares(classes, distances, *rule), classes, asked + 1)
    assert torch.allclose(found[:, :asked], wanted[:, :asked])
    assert torch.allclose(found[:, asked], wanted[:, asked : asked + more].amax(1))
    own = torch.where(of_rest >= 0, shares, torch.zeros_like(shares)).sum(1)
    assert torch.allclose(own, found[:, asked])
