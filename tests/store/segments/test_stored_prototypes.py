"""The prototypes of a store's classes on both databases: of which segments, and when they are computed again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from retclip.store.segments.stored_prototypes import MEMBERS, StoredPrototypes
from retclip.types import FeatureSpace

OTHER = FeatureSpace("test.other", "none", "none", "area-1", 4)


@pytest.fixture
def computed(monkeypatch):
    """Of how many segments each class was that was computed."""
    counts, whole = [], StoredPrototypes._computed

    def counted(self, *question):
        answer = whole(self, *question)
        counts.append(sum(answer.sizes))
        return answer

    monkeypatch.setattr(StoredPrototypes, "_computed", counted)
    return counts


def rows(store):
    return {each.name: each.id for each in store.classes.all()}


def near(store, made, names, count=1, space=None):
    dim = (space or made.space).dim
    return store.prototypes(torch.eye(dim)[:2], [rows(store).get(name) for name in names], count, space)


def test_the_mean_of_a_class_by_hand(store, made) -> None:
    cars = store.segments.vectors(list(store.trust.segments().ids))
    found = near(store, made, ["tree", "car", "boat", "car"])
    assert found.classes.tolist() == [0, 1, 3] and found.sizes.tolist() == [4, 4, 4]
    members = [segment for segment in found.members[1] if segment]
    mean = np.mean([cars[segment] for segment in members], axis=0)
    assert found.distances[:, 1].tolist() == pytest.approx((1 - (mean / np.linalg.norm(mean))[:2]).tolist(), abs=1e-5)
    assert {each.class_name for each in store.segments.get(members).values()} == {"car"}
    towards = [float(cars[segment] @ mean) for segment in members]
    assert towards == sorted(towards, reverse=True), "the nearest member comes first"


def test_k_means_divides_the_segments_of_a_class(store, made) -> None:
    found = near(store, made, ["car", "tree"], 2)
    assert found.classes.tolist() == [0, 0, 1, 1] and found.sizes.reshape(2, 2).sum(1).tolist() == [4, 4]
    of_cars = [segment for row in found.members[:2] for segment in row if segment]
    assert len(of_cars) == len(set(of_cars)) == 4
    one_each = near(store, made, ["car"], 9)
    assert one_each.sizes.tolist() == [1] * 4


def test_a_question_computes_nothing_twice_and_a_correction_its_own_classes(store, made, computed) -> None:
    names = ["road", "car", "tree"]
    before = near(store, made, names)
    assert computed == [4, 4, 4]
    again = near(store, made, names)
    assert torch.equal(before.distances, again.distances) and computed == [4, 4, 4], "kept"
    car = made.ids(store, "image_id = 1")["car", 0]
    edit = store.segments.quarantine([car], "ann")
    without = near(store, made, names)
    assert computed[3:] == [3] and without.sizes.tolist() == [4, 3, 4]
    assert not torch.equal(without.distances[:, 1], before.distances[:, 1])
    assert torch.equal(without.distances[:, [0, 2]], before.distances[:, [0, 2]])
    store.segments.relabel([made.ids(store, "image_id = 2")["car", 0]], "tree", "ann")
    assert near(store, made, names).sizes.tolist() == [4, 2, 5] and sorted(computed[4:]) == [2, 5]
    store.undo(edit.event, "ann")
    assert near(store, made, names).sizes.tolist() == [4, 3, 5] and computed[6:] == [3]


def test_another_process_is_seen(light_work, store, made) -> None:
    assert near(store, made, ["car"]).sizes.tolist() == [4]
    other = light_work.open()
    made.commit(other, made.unit(3))
    assert near(store, made, ["car"]).sizes.tolist() == [6]
    other.segments.retire([made.ids(other, "image_id = 3")["car", 0]], "ann")
    assert near(store, made, ["car"]).sizes.tolist() == [5]


def test_what_was_rejected_for_its_own_label_is_left_out(store, made) -> None:
    near(store, made, ["car"])
    car = made.ids(store, "image_id = 1")["car", 0]
    store.segments.reject([car], "car", "ann")
    found = near(store, made, ["car"])
    assert found.sizes.tolist() == [3] and car not in found.members[0]
    store.segments.reject([car], "car", "ann", holds=False)
    assert near(store, made, ["car"]).sizes.tolist() == [4]


def test_a_class_that_loses_all_of_its_segments_has_no_prototype(store, made) -> None:
    cars = [each.id for each in store.segments.listed(list(store.trust.segments().ids)) if each.class_name == "car"]
    store.segments.quarantine(cars, "ann")
    assert near(store, made, ["car", "tree"]).classes.tolist() == [1]


def test_each_space_has_its_own(store, made) -> None:
    run = made.adding(store, OTHER)
    made.give(store, run, OTHER, made.lacking(store, 2, 1))
    first = near(store, made, ["car"], space=made.space)
    second = near(store, made, ["car"], space=OTHER)
    assert first.sizes.tolist() == [4] and second.sizes.tolist() == [2], "those with a vector there"
    made.give(store, run, OTHER, made.lacking(store, 2, 2))
    assert near(store, made, ["car"], space=OTHER).sizes.tolist() == [4]


def test_few_members_are_named_and_an_empty_store_has_none(light_work, made) -> None:
    store = light_work.open()
    empty = store.prototypes(torch.eye(made.dim), [None, 3], 1)
    assert empty.distances.shape == (made.dim, 0) and not len(empty.classes)
    made.commit(store, *(made.unit(number, ("car",), 3) for number in range(1, 5)))
    found = near(store, made, ["car"])
    assert found.sizes.tolist() == [12] and sum(segment is not None for segment in found.members[0]) == MEMBERS
