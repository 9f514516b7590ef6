"""The decorrelation of a store's spaces on both databases: of which vectors, and what is measured by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from retclip.algorithms.decorrelation import decorrelated, decorrelation
from retclip.store.segments import decorrelations
from retclip.store.segments.decorrelations import Decorrelations

NAMES = ["road", "car", "tree"]


@pytest.fixture
def computed(monkeypatch):
    """How many vectors each decorrelation was made of."""
    counts, whole = [], Decorrelations._computed

    def counted(self, places, *rest):
        counts.append(len(places))
        return whole(self, places, *rest)

    monkeypatch.setattr(Decorrelations, "_computed", counted)
    return counts


def near(store, made, per_class=False):
    rows = {each.name: each.id for each in store.classes.all()}
    return store.nearest(torch.eye(made.dim), [rows.get(name) for name in NAMES], 9, per_class)


def rejected(store, made):
    """Two trees that are no car."""
    trees = [made.ids(store, f"image_id = {photo}")["tree", 0] for photo in (1, 2)]
    store.segments.reject(trees, "car", "ann")
    return trees


@pytest.mark.parametrize("per_class", [False, True])
def test_neighbours_and_examples_are_measured_alike(store, made, per_class) -> None:
    assert near(store, made, per_class).decorrelated is None, "nobody was rejected"
    rejected(store, made)
    found, every = near(store, made, per_class), store.segments.vectors(list(store.trust.segments().ids))
    matrix, asked = decorrelation(torch.from_numpy(np.stack(list(every.values())))), torch.eye(made.dim)

    def distance(n, segment):
        pair = decorrelated(torch.stack([asked[n], torch.from_numpy(every[segment])]), matrix)
        return pytest.approx(float(1 - pair[0] @ pair[1]), abs=1e-4)

    assert found.negatives is not None and found.decorrelated is not None
    for n in range(made.dim):
        for column, segment in enumerate(found.negatives.ids):
            assert float(found.negatives.distances[n, column]) == distance(n, segment)
        for place in (found.classes[n] == 1).nonzero()[:, 0].tolist():
            assert float(found.decorrelated[n, place]) == distance(n, found.ids[n, place])
    assert torch.equal(torch.isfinite(found.decorrelated), found.classes == 1), "of the class with examples alone"


def test_a_correction_changes_no_distance_and_an_addition_does(light_work, store, made, computed) -> None:
    rejected(store, made)
    before = near(store, made)
    assert len(computed) == 1
    store.segments.quarantine([made.ids(store, "image_id = 1")["road", 0]], "ann")
    store.segments.relabel([made.ids(store, "image_id = 2")["road", 0]], "tree", "ann")
    after = near(store, made)
    assert after.negatives is not None and before.negatives is not None
    assert torch.equal(after.negatives.distances, before.negatives.distances) and len(computed) == 1
    made.commit(light_work.open(), made.unit(3))
    added = near(store, made)
    assert added.negatives is not None and computed[1] > computed[0]
    assert not torch.allclose(added.negatives.distances, before.negatives.distances)


def test_of_many_vectors_those_with_the_smallest_ids(store, made, monkeypatch, computed) -> None:
    monkeypatch.setattr(decorrelations, "SAMPLED", 3)
    rejected(store, made)
    found, every = near(store, made), store.segments.vectors(list(store.trust.segments().ids))
    assert found.negatives is not None and computed == [3]
    first = torch.from_numpy(np.stack([every[segment] for segment in sorted(every)[:3]]))
    matrix = decorrelation(first)
    against = torch.from_numpy(np.stack([every[segment] for segment in found.negatives.ids]))
    wanted = 1 - decorrelated(torch.eye(made.dim), matrix) @ decorrelated(against, matrix).T
    assert torch.allclose(found.negatives.distances, wanted, atol=1e-4)
