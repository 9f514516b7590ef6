"""Which prototypes an explanation names: the nearest of each class, in order, with what is still stored of them."""

from types import SimpleNamespace
from uuid import UUID

import numpy as np
import torch

from retclip.types import ClassPrototypes, Neighbours
from retclip.workflows.explain.near_prototypes import near_prototypes

A, B = UUID(int=1), UUID(int=2)
NAMES = ("sky", "car", "tree", "road", "boat")
OWNERS = [0, 1, 1, 2, 3, 4]


def evidence(distances):
    members = np.full((6, 2), None, dtype=object)
    members[:, 0], members[2, 1] = A, B
    found = ClassPrototypes(torch.tensor(OWNERS), torch.tensor([1, 5, 2, 1, 1, 1]), members, torch.tensor([distances]))
    places = np.full((1, 0), None, dtype=object), torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 0)
    near = Neighbours(*places, torch.ones(5, dtype=torch.bool), prototypes=found)
    return SimpleNamespace(neighbours=near, vocabulary=SimpleNamespace(names=NAMES))


def test_the_nearest_of_each_of_three_classes_and_of_the_label():
    found = near_prototypes(None, evidence([0.5, 0.4, 0.25, 0.3, 0.9, 0.8]), 0, "boat")
    assert [(each.class_name, each.number, each.of, each.size) for each in found] == [
        ("car", 2, 2, 2), ("tree", 1, 1, 1), ("sky", 1, 1, 1), ("boat", 1, 1, 1),
    ]  # fmt: skip
    assert [member.id for member in found[0].members] == [A, B]
    assert found[0].told(4) == f"car, 2 of 2, at 0.2500: of 2 segments, {str(A)[:8]} (gone), {str(B)[:8]} (gone)"
    assert found[0].told(1).endswith(f"{str(A)[:8]} (gone), ...")
    assert found[1].told(4) == f"tree, the mean, at 0.3000: of 1 segment, {str(A)[:8]} (gone)"


def test_a_mask_without_a_vector_and_an_answer_without_prototypes_have_none():
    assert near_prototypes(None, evidence([torch.inf] * 6), 0, "sky") == ()
    plain = SimpleNamespace(neighbours=None, vocabulary=SimpleNamespace(names=NAMES))
    assert near_prototypes(None, plain, 0, "sky") == ()
