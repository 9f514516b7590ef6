"""Voting places: the worked example, and a brute-force reference."""

import numpy as np
import pytest

from retclip.algorithms.voting_places import voting_places


def row(*ids):
    return np.array([list(ids)], dtype=object)


def test_hand_worked_places():
    ids, classes = row("s", "t", "t", "u"), np.array([[0, 0, 1, 0]])
    assert voting_places(ids, classes, 2).tolist() == [[True, True, True, False]]
    assert voting_places(ids, classes, 1, per_class=True).tolist() == [[True, False, True, False]]


def test_nothing_stands_for_nobody():
    ids, classes = row("s", None, None), np.array([[0, -1, -1]])
    assert voting_places(ids, classes, 3).tolist() == [[True, False, False]]
    assert voting_places(ids, classes, 3, per_class=True).tolist() == [[True, False, False]]
    assert voting_places(np.empty((2, 0), dtype=object), np.empty((2, 0), dtype=np.int64), 3).shape == (2, 0)


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_as_a_loop_would_choose(seed, per_class):
    random = np.random.default_rng(seed)
    ids = np.sort(random.integers(0, 9, (6, 12)), axis=1).astype(object)  # the places of a segment side by side
    classes = random.integers(0, 3, (6, 12))
    if per_class:
        ids = np.arange(72).reshape(6, 12).astype(object)  # a segment stands once for a class
    ids[:, 10:], classes[:, 10:] = None, -1
    wanted = np.zeros(ids.shape, dtype=bool)
    for n in range(6):
        before: dict[int, list[object]] = {}
        for m in range(12):
            group = before.setdefault(int(classes[n, m]) if per_class else 0, [])
            if ids[n, m] not in group:
                group.append(ids[n, m])
            wanted[n, m] = classes[n, m] >= 0 and group.index(ids[n, m]) < 4
    assert (voting_places(ids, classes, 4, per_class) == wanted).all()
    assert 0 < wanted.sum() < wanted.size
