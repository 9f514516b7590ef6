"""Negative examples: the worked example, the degenerate cases, and a loop as reference."""

from math import inf

import pytest
import torch

from retclip.algorithms.negative_examples import barred_neighbours

CLASSES, DISTANCES = torch.tensor([[0, 1, 0]]), torch.tensor([[0.1, 0.2, 0.5]])


def barred(classes, distances):
    return barred_neighbours(CLASSES, DISTANCES, torch.tensor(classes).long(), torch.tensor([distances])).tolist()


def test_hand_worked():
    assert barred([0, 1], [0.3, 0.9]) == [[False, False, True]]


@pytest.mark.parametrize(
    ("classes", "distances", "wanted"),
    [
        ([0], [0.1], [True, False, True]),  # equally near bars: its own negative example never votes
        ([1], [0.0], [False, True, False]),  # another class keeps its votes
        ([2], [0.0], [False, False, False]),  # nobody votes for it
        ([0, 0], [0.3, 0.05], [True, False, True]),  # the nearest counts
        ([], [], [False, False, False]),
    ],
)
def test_degenerate_cases(classes, distances, wanted):
    assert barred(classes, distances) == [wanted]


def test_nobody_is_barred_where_there_is_none():
    nothing = torch.full((2, 3), -1), torch.full((2, 3), inf)
    assert not barred_neighbours(*nothing, torch.tensor([0]), torch.zeros(2, 1)).any()
    empty = torch.zeros(2, 0).long(), torch.zeros(2, 0)
    assert barred_neighbours(*empty, torch.tensor([0]), torch.zeros(2, 1)).shape == (2, 0)


def test_as_a_loop_would_bar():
    random = torch.Generator().manual_seed(0)
    classes, distances = torch.randint(-1, 4, (5, 9), generator=random), torch.rand(5, 9, generator=random)
    against, far = torch.randint(0, 6, (7,), generator=random), torch.rand(5, 7, generator=random)
    wanted = [
        [
            bool(c >= 0 and any(far[n, m] <= distances[n, k] for m in range(7) if against[m] == c))
            for k, c in enumerate(classes[n])
        ]
        for n in range(5)
    ]
    assert barred_neighbours(classes, distances, against, far).tolist() == wanted
    assert 0 < sum(map(sum, wanted)) < 45
