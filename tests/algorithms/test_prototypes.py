"""Prototypes by hand: means, centres, whose members are traced, and the scores of masks; k-means beside the best."""

from itertools import product

import numpy as np
import pytest
import torch

from retclip.algorithms.prototypes import prototype_scores, prototypes


def units(*angles):
    return np.array([[np.cos(a), np.sin(a)] for a in np.radians(angles)], dtype=np.float32)


def test_the_mean_of_a_class_by_hand():
    (mean,) = prototypes(np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32), 1)
    assert mean.vector == pytest.approx([0.5**0.5, 0.5**0.5]) and mean.members.tolist() == [0, 1]
    (mean,) = prototypes(units(0, 100, 50), 1)
    assert mean.vector == pytest.approx(units(50)[0]) and mean.members[0] == 2, "the nearest member comes first"
    assert prototypes(np.zeros((0, 2), dtype=np.float32), 1) == ()


def test_opposite_vectors_have_a_mean_without_a_direction():
    (mean,) = prototypes(units(0, 180), 1)
    assert np.isfinite(mean.vector).all() and np.linalg.norm(mean.vector) < 1 + 1e-6


def test_centres_by_hand():
    first, second = prototypes(units(0, 10, 20, 90, 100), 2)
    assert first.vector == pytest.approx(units(10)[0], abs=1e-6) and first.members.tolist()[0] == 1
    assert sorted(first.members.tolist()) == [0, 1, 2] and sorted(second.members.tolist()) == [3, 4]
    assert second.vector == pytest.approx(units(95)[0], abs=1e-6)


def test_no_more_different_vectors_than_prototypes():
    found = prototypes(units(0, 90, 0, 0), 3)
    assert [sorted(part.members.tolist()) for part in found] == [[0, 2, 3], [1]]
    assert found[0].vector == pytest.approx(units(0)[0])


def test_they_are_the_same_every_time_and_as_good_as_any_division_of_a_few_points():
    generator = np.random.default_rng(0)
    angles = np.concatenate([generator.normal(centre, 4, 3) for centre in (0, 90, 200)])
    vectors = units(*angles)
    found, again = (prototypes(vectors, 3) for _ in range(2))
    assert all(np.array_equal(one.vector, two.vector) for one, two in zip(found, again, strict=True))
    assert sorted(np.concatenate([part.members for part in found]).tolist()) == list(range(9))

    def spread(labels):
        parts = [vectors[np.array(labels) == n] for n in range(3)]
        return sum(float(((part - part.mean(0)) ** 2).sum()) for part in parts if len(part))

    ours = np.zeros(9, dtype=int)
    for number, part in enumerate(found):
        ours[part.members] = number
    assert spread(ours) == pytest.approx(min(map(spread, product(range(3), repeat=9))), abs=1e-6)


def test_scores_by_hand():
    distances = torch.tensor([[0.0, 0.5, 0.9], [torch.inf] * 3])
    scores = prototype_scores(distances, torch.tensor([0, 2, 0]), 3, 0.5)
    assert scores.tolist() == [[pytest.approx(0.7311, abs=1e-4), 0.0, pytest.approx(0.2689, abs=1e-4)], [0.0] * 3]
    nothing = prototype_scores(torch.zeros(1, 0), torch.zeros(0, dtype=torch.int64), 3, 0.5)
    assert nothing.tolist() == [[0.0, 0.0, 0.0]]
