"""Masks in their forms: a map is read as the tensor that it stands for, and stays a map as long as nobody asks."""

from dataclasses import replace

import pytest
import torch

from retclip.types import MaskLogits, MaskMap, MaskProposals

OWNERS = torch.tensor([[0, 0, 2], [3, -1, 2]])
PARENTS = torch.tensor([4, 4, 5, 5, -1, -1])  # mask 1 is nowhere; 4 and 5 are the unions of two each


def flat():
    return MaskProposals(MaskMap(OWNERS, 4), torch.tensor([0.9, 0.8, 0.7, 0.6]), (4, 6), ("a", "b", "c", "d"))


def tree():
    return MaskProposals(MaskMap(OWNERS, 6), torch.ones(6), (4, 6), parents=PARENTS)


def is_drawn(proposals):
    return "_drawn" in vars(proposals)


def test_the_worked_example():
    masks = MaskMap(torch.tensor([[0, 0, 2]]), 3).drawn()
    assert masks.tolist() == [[[1, 1, 0]], [[0, 0, 0]], [[0, 0, 1]]] and masks.dtype == torch.float32


def test_what_is_read_is_a_tensor_and_drawn_only_then():
    proposals = flat()
    assert (len(proposals), proposals.grid, proposals.device.type) == (4, (2, 3), "cpu")
    assert proposals.finest is proposals.form and isinstance(proposals.form, MaskMap) and not is_drawn(proposals)
    assert proposals.masks.tolist() == [[[OWNERS[y, x] == n for x in range(3)] for y in range(2)] for n in range(4)]
    assert proposals.masks is proposals.masks, "drawn once"


def test_a_parent_is_the_sum_of_its_children():
    masks = tree().masks
    assert torch.equal(masks[4], masks[0] + masks[1]) and torch.equal(masks[5], masks[2] + masks[3])
    assert isinstance(tree().form, MaskMap) and tree().finest.shape == (6, 2, 3), "masks that overlap are no map"


def test_a_tensor_stays_what_it_is():
    masks = torch.rand(2, 3, 4)
    proposals = MaskProposals(masks, torch.ones(2), (6, 8))
    assert proposals.masks is masks and proposals.form is masks and proposals.finest is masks
    assert (len(proposals), proposals.grid) == (2, (3, 4))
    assert replace(proposals, masks=masks[:1], objectness=torch.ones(1)).masks.shape == (1, 3, 4)


def test_logits_are_the_finest_form():
    logits = MaskLogits(torch.zeros(4, 2, 3), (8, 12), (4, 6))
    assert flat().replaced(logits=logits).finest is logits


@pytest.mark.parametrize("chosen", [[3, 0], [2], [], [1, 2, 0, 3]])
def test_masks_are_picked_as_from_a_tensor(chosen):
    at, dense = torch.tensor(chosen, dtype=torch.int64), replace(flat(), masks=flat().masks)
    picked, wanted = flat().picked(at), dense.picked(at)
    assert isinstance(picked.form, MaskMap) and torch.equal(picked.masks, wanted.masks)
    assert (picked.prompts, picked.objectness.tolist()) == (wanted.prompts, wanted.objectness.tolist())


@pytest.mark.parametrize(("chosen", "disjoint"), [([4, 2, 3], True), ([5, 4], True), ([0, 4], False), ([2, 2], False)])
def test_a_cut_through_a_tree_is_a_map_and_a_mask_with_a_part_of_it_is_not(chosen, disjoint):
    at = torch.tensor(chosen)
    picked = tree().picked(at)
    assert torch.equal(picked.masks, tree().masks[at]) and picked.parents is None
    assert isinstance(picked.form, MaskMap) is disjoint


def test_other_fields_leave_a_map_as_it_is_and_other_masks_take_its_place():
    changed = tree().replaced(parents=None, prompts=("a",) * 6)
    assert isinstance(changed.form, MaskMap) and not is_drawn(changed) and changed.prompts == ("a",) * 6
    other = replace(flat(), masks=torch.zeros(4, 1, 1))
    assert other.form is other.masks and other.grid == (1, 1)
    assert torch.equal(replace(flat(), prompts=None).masks, flat().masks), "the library's way costs a drawing"
