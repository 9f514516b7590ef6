"""Trees of masks: sums by hand, weights as each mask alone gives them, and the best cut against all cuts."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.mask_pooling import area_weights
from retclip.algorithms.mask_tree import (
    best_cut,
    doubt,
    leaves,
    scores_up_to_cut,
    summed_up,
    tree_areas,
    tree_evidence,
    tree_weights,
)
from retclip.types import MaskMap

PARENTS = torch.tensor([2, 2, 4, 4, -1])


@st.composite
def trees(draw, most=5):
    """Parents of a tree in which every inner node has at least two children, its leaves not all first."""
    roots, parents = [], []
    for _ in range(draw(st.integers(1, most))):
        roots.append(len(parents))
        parents.append(-1)
        while len(roots) > 1 and draw(st.booleans()):
            count = draw(st.integers(2, len(roots)))
            for child in roots[-count:]:
                parents[child] = len(parents)
            roots[-count:] = [len(parents)]
            parents.append(-1)
    return torch.tensor(parents)


def cuts(parents):
    """Every cut, each a set of nodes that has exactly one node on the way from each leaf to its root."""
    ways = []
    for leaf in leaves(parents).nonzero()[:, 0].tolist():
        way, node = [], leaf
        while node != -1:
            way.append(node)
            node = int(parents[node])
        ways.append(way)
    for choice in product([False, True], repeat=len(parents)):
        if all(sum(choice[node] for node in way) == 1 for way in ways):
            yield [node for node, is_chosen in enumerate(choice) if is_chosen]


def test_sums_by_hand():
    assert leaves(PARENTS).tolist() == [True, True, False, True, False]
    assert summed_up(torch.tensor([2.0, 3.0, 4.0]), PARENTS).tolist() == [2, 3, 5, 4, 9]
    assert summed_up(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([-1, -1])).tolist() == [[1, 0], [0, 2]]
    assert summed_up(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)).shape == (0, 2)


def test_evidence_by_hand():
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.1]])
    found = tree_evidence(scores, torch.tensor([1.0, 3.0, 4.0]), torch.tensor([2, 2, -1]), own=0.2)
    # the leaves' mean is (0.25, 0.75); 0.2 * 0.5 + 0.8 * 0.25 = 0.3 and 0.2 * 0.1 + 0.8 * 0.75 = 0.62
    assert torch.allclose(found, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.3, 0.62]]))


def test_doubt_by_hand():
    scores, areas = torch.tensor([[0.9, 0.1], [0.2, 0.5], [1.0, 1.0]]), torch.tensor([1.0, 3.0, 4.0])
    assert doubt(scores, areas, torch.tensor([2, 2, -1])) == pytest.approx(0.4)  # what the union scores does not count
    assert doubt(scores[:, :0], areas, torch.tensor([2, 2, -1])) == 1.0
    assert doubt(torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, dtype=torch.int64)) == 0.0


@pytest.mark.parametrize(("cost", "chosen"), [(0.0, [0, 1]), (0.09, [0, 1]), (0.11, [2]), (1.0, [2])])
def test_a_hand_worked_cut(cost, chosen):
    evidence = torch.tensor([[0.8, 0.2], [0.4, 0.6], [0.6, 0.4]])
    assert best_cut(evidence, torch.tensor([1.0, 1.0, 2.0]), torch.tensor([2, 2, -1]), cost).tolist() == chosen


def test_a_whole_goes_before_parts_that_are_as_good():
    evidence = torch.full((3, 1), 0.5)
    assert best_cut(evidence, torch.tensor([1.0, 1.0, 2.0]), torch.tensor([2, 2, -1]), 0.0).tolist() == [2]


def test_masks_beside_each_other_are_all_chosen():
    assert best_cut(torch.rand(3, 2), torch.ones(3), torch.tensor([-1, -1, -1]), 0.5).tolist() == [0, 1, 2]
    assert best_cut(torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, dtype=torch.int64), 0.5).tolist() == []
    assert best_cut(torch.zeros(2, 0), torch.ones(2), torch.tensor([-1, -1]), 0.5).tolist() == [0, 1]  # no class


@settings(deadline=None)
@given(trees(), st.data())
def test_no_cut_is_better(parents, data):
    """Against every cut of small trees, in eighths, so that equal values are equal."""
    count, eighths = len(parents), st.integers(0, 8).map(lambda i: i / 8)
    evidence = torch.tensor(data.draw(st.lists(eighths, min_size=2 * count, max_size=2 * count))).reshape(count, 2)
    sizes = data.draw(st.lists(st.sampled_from([1.0, 2.0]), min_size=count, max_size=count))
    areas = summed_up(torch.tensor(sizes)[leaves(parents)], parents)
    total, cost = float(areas[leaves(parents)].sum()), data.draw(eighths)

    def value(cut):
        return sum(float(evidence[node].max() * areas[node]) / total - cost for node in cut)

    chosen = best_cut(evidence, areas, parents, cost).tolist()
    every = list(cuts(parents))
    assert chosen in every
    assert value(chosen) == pytest.approx(max(map(value, every)), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(trees(), st.integers(0, 1000))
def test_weights_are_those_of_each_mask_on_its_own(parents, seed):
    count = int(leaves(parents).sum())
    generator = torch.Generator().manual_seed(seed)
    owner = torch.randint(count, (9, 14), generator=generator)  # every pixel in one leaf
    masks = summed_up((owner == torch.arange(count)[:, None, None]).float(), parents)
    found = tree_weights(masks, parents, (4, 5), (0.9, 1.0))
    assert torch.allclose(found, area_weights(masks, (4, 5), (0.9, 1.0)), atol=1e-5)


def test_a_map_of_leaves_has_the_weights_and_areas_of_a_tree():
    owners, parents = torch.tensor([[0, 0, 1], [2, 1, -1]]), torch.tensor([3, 3, -1, -1])
    masks = MaskMap(owners, 4)
    drawn = masks.drawn(parents)
    assert tree_areas(masks, parents).tolist() == tree_areas(drawn, parents).tolist() == [2, 2, 1, 4]
    found, wanted = (tree_weights(form, parents, (3, 2), (0.9, 1.0)) for form in (masks, drawn))
    assert torch.allclose(found, wanted, atol=1e-6)


def test_scores_up_to_a_cut_by_hand():
    scores = torch.tensor([[0.2], [0.6], [0.4], [1.0], [0.0]])
    found = scores_up_to_cut(scores, torch.tensor([2, 3]), PARENTS)
    assert torch.allclose(found, torch.tensor([[0.3], [0.5], [1.0]]))
    assert torch.equal(scores_up_to_cut(scores, torch.tensor([0, 1, 3]), PARENTS), scores[[0, 1, 3]])
    assert scores_up_to_cut(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), PARENTS[:0]).shape == (0, 2)


@settings(deadline=None, max_examples=40)
@given(trees(), st.randoms(use_true_random=False))
def test_scores_up_to_any_cut_are_means_of_the_masks_around_each_leaf(parents, random):
    scores = torch.tensor([[random.random(), random.random()] for _ in parents])
    for cut in cuts(parents):
        expected = []
        for leaf in leaves(parents).nonzero()[:, 0].tolist():
            way = [leaf]
            while way[-1] not in cut:
                way.append(int(parents[way[-1]]))
            expected.append(scores[way].mean(dim=0))
        assert torch.allclose(scores_up_to_cut(scores, torch.tensor(cut), parents), torch.stack(expected))
