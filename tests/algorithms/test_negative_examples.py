"""Negative examples: the worked example, the degenerate cases, and a loop as reference."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch

from retclip.algorithms.negative_examples import barred_neighbours, barred_voters
from retclip.types import Negatives, Neighbours

CLASSES, DISTANCES = torch.tensor([[0, 1, 0, 0]]), torch.tensor([[0.1, 0.2, 0.3, 0.5]])


def barred(classes, distances):
    return barred_neighbours(CLASSES, DISTANCES, torch.tensor(classes).long(), torch.tensor([distances])).tolist()


def test_hand_worked():
    assert barred([0, 1], [0.4, 0.9]) == [[False, False, False, True]]  # two of three are nearer
    assert barred([0, 1], [0.25, 0.9]) == [[True, False, True, True]]  # one of three is


@pytest.mark.parametrize(
    ("classes", "distances", "wanted"),
    [
        ([0], [0.3], [True, False, True, True]),  # as near as the second
        ([0], [0.6], [False, False, False, False]),
        ([1], [0.2], [False, True, False, False]),  # equally near bars; another class keeps its votes
        ([1], [0.21], [False, False, False, False]),  # its only neighbour is nearer
        ([2], [0.0], [False, False, False, False]),  # nobody votes for it
        ([0], [inf], [False, False, False, False]),  # of a mask without a vector
        ([0, 0], [0.6, 0.05], [True, False, True, True]),  # the nearest counts
        ([], [], [False, False, False, False]),
    ],
)
def test_degenerate_cases(classes, distances, wanted):
    assert barred(classes, distances) == [wanted]


def test_nobody_is_barred_where_there_is_none():
    nothing = torch.full((2, 3), -1), torch.full((2, 3), inf)
    assert not barred_neighbours(*nothing, torch.tensor([0]), torch.zeros(2, 1)).any()
    empty = torch.zeros(2, 0).long(), torch.zeros(2, 0)
    assert barred_neighbours(*empty, torch.tensor([0]), torch.zeros(2, 1)).shape == (2, 0)


def test_an_example_of_its_own_class_neither_votes_nor_counts():
    ids = np.array([["a", "b", "c", "d"]], dtype=object)

    def voters(distance, *examples):
        against = Negatives(np.array(examples, dtype=object), torch.zeros(len(examples)).long(), distance)
        near = Neighbours(ids, CLASSES, DISTANCES, torch.ones(2, dtype=torch.bool), negatives=against)
        return barred_voters(near).tolist()

    assert voters(torch.tensor([[0.1001]]), "a") == [[True, False, True, True]]  # its distance by another sum
    assert voters(torch.tensor([[0.3001]]), "c") == [[True, False, True, True]]  # it is no second one
    assert voters(torch.tensor([[0.3, 0.5]]), "c", "d") == [[False, False, True, True]]  # the only one that is left
    assert voters(torch.tensor([[0.6]]), "b") == [[False] * 4]  # an example against a class that is not its own


def test_what_is_compared_is_decorrelated_and_of_earlier_evidence_the_cosine_distance():
    ids = np.array([["a", "b", "c", "d"]], dtype=object)
    against = Negatives(np.array(["e"], dtype=object), torch.tensor([0]), torch.tensor([[0.4]]))
    near = Neighbours(ids, CLASSES, DISTANCES, torch.ones(2, dtype=torch.bool), negatives=against)
    assert barred_voters(near).tolist() == [[False, False, False, True]]
    again = torch.tensor([[0.7, inf, 0.2, 0.3]])
    assert barred_voters(replace(near, decorrelated=again)).tolist() == [[True, False, False, False]]


def test_without_negative_examples_nobody_is_barred():
    near = Neighbours(np.full((1, 4), "a", dtype=object), CLASSES, DISTANCES, torch.ones(2, dtype=torch.bool))
    assert not barred_voters(near).any()


def test_as_a_loop_would_bar():
    random = torch.Generator().manual_seed(0)
    classes, distances = torch.randint(-1, 4, (9, 9), generator=random), torch.rand(9, 9, generator=random)
    against, far = torch.randint(0, 6, (7,), generator=random), torch.rand(9, 7, generator=random)
    own = torch.rand(9, 9, generator=random) < 0.2
    wanted = [[False] * 9 for _ in range(9)]
    for n in range(9):
        for c in range(4):
            nearest = min([float(far[n, m]) for m in range(7) if against[m] == c], default=inf)
            positives = [k for k in range(9) if classes[n, k] == c and not own[n, k]]
            nearer = [k for k in positives if distances[n, k] < nearest]
            voting = nearer if len(nearer) >= min(2, len(positives)) else []
            for k in range(9):
                wanted[n][k] |= bool(classes[n, k] == c and nearest < inf and k not in voting)
    assert barred_neighbours(classes, distances, against, far, own).tolist() == wanted
    assert 0 < sum(map(sum, wanted)) < 81
