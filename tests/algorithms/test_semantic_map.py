"""The semantic map by hand and against loops over pixels; what no threshold and no evidence mean."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms import semantic_map as module
from retclip.algorithms.semantic_map import semantic_map
from retclip.types import MaskMap

eighths = st.integers(0, 8).map(lambda i: i / 8)  # sums of products of eighths are exact: ties are ties
sizes = st.tuples(st.integers(1, 8), st.integers(1, 8))
counts = st.tuples(st.integers(0, 3), st.integers(0, 3))
seeds = st.integers(0, 2**31)


@st.composite
def problems(draw):
    """masks (n, y, x) and scores (n, c) on eighths."""
    (n, c), (y, x) = draw(counts), draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    numbers = draw(st.lists(eighths, min_size=n * (y * x + c), max_size=n * (y * x + c)))
    flat = torch.tensor(numbers, dtype=torch.float32)
    return flat[: n * y * x].reshape(n, y, x), flat[n * y * x :].reshape(n, c)


def test_a_hand_worked_row():
    masks = torch.tensor([[[1.0, 0.5, 0.0, 0.0]], [[0.0, 1.0, 0.01, 0.0]]])
    scores = torch.tensor([[0.8, 0.1], [0.3, 0.4]])
    # pixel 0: 0.8 against 0.1; pixel 1: 0.8 * 0.5 + 0.3 = 0.7 against 0.1 * 0.5 + 0.4 = 0.45: two masks add up, so
    # class 0 wins though the strongest mask there says 1; pixel 2: 0.003 against 0.004: weak but alone; pixel 3: none
    assert semantic_map(masks, scores, (1, 4)).tolist() == [[0, 0, 1, -1]]


def slow_map(masks, scores):
    found = torch.full(masks.shape[1:], -1)
    for y in range(masks.shape[1]):
        for x in range(masks.shape[2]):
            best = 0.0
            for c in range(scores.shape[1]):
                total = sum(float(scores[n, c]) * float(masks[n, y, x]) for n in range(len(masks)))
                if total > best:  # the first of equals keeps the pixel
                    best, found[y, x] = total, c
    return found


@settings(max_examples=100, deadline=None)
@given(problems())
def test_agrees_with_loops(problem):
    masks, scores = problem
    before = masks.clone(), scores.clone()
    found = semantic_map(masks, scores, tuple(masks.shape[1:]))
    assert found.dtype == torch.int64
    assert torch.equal(found, slow_map(masks, scores))
    assert torch.equal(masks, before[0]) and torch.equal(scores, before[1])


@settings(max_examples=50, deadline=None)
@given(sizes, sizes, seeds)
def test_mixing_before_resizing_is_mixing_after_it(fine, size, seed):
    generator = torch.Generator().manual_seed(seed)
    masks, scores = torch.rand(3, *fine, generator=generator), torch.rand(3, 4, generator=generator)
    full = F.interpolate(masks[None], size=size, mode="bilinear", align_corners=False)[0]
    totals = torch.einsum("nc,nyx->cyx", scores, full)
    top = totals.topk(2, dim=0).values
    clear = top[0] - top[1] > 1e-4  # nearer than that, rounding decides
    found = semantic_map(masks, scores, size)
    assert tuple(found.shape) == size
    assert torch.equal(found[clear], totals.argmax(0)[clear])


@settings(max_examples=50, deadline=None)
@given(problems(), st.sampled_from([0.25, 4.0]), st.randoms(use_true_random=False))
def test_neither_the_order_of_masks_nor_a_common_factor_matters(problem, factor, shuffler):
    masks, scores = problem
    size = tuple(masks.shape[1:])
    order = list(range(len(masks)))
    shuffler.shuffle(order)
    wanted = semantic_map(masks, scores, size)
    assert torch.equal(semantic_map(masks[order], scores[order], size), wanted)
    assert torch.equal(semantic_map(masks, scores * factor, size), wanted)


@pytest.mark.parametrize(("n", "c"), [(0, 2), (2, 0), (0, 0)])
def test_no_mask_or_no_class_is_nowhere(n, c):
    assert semantic_map(torch.ones(n, 2, 2), torch.ones(n, c), (3, 1)).tolist() == [[-1]] * 3
    assert semantic_map(torch.ones(1, 2, 2), torch.zeros(1, 2), (1, 1)).tolist() == [[-1]], "no evidence"


def test_classes_in_several_portions_are_the_same_map(monkeypatch):
    masks, scores = torch.rand(5, 3, 4), torch.rand(5, 11)
    whole = semantic_map(masks, scores, (6, 8))
    monkeypatch.setattr(module, "CHUNK", 3 * 12 + 5)  # three classes at a time, and a rest of two
    assert torch.equal(semantic_map(masks, scores, (6, 8)), whole)


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 5), st.integers(1, 5)), st.sampled_from([1, 2]), st.integers(0, 3), seeds)
def test_a_map_of_masks_speaks_as_its_masks_do(grid, factor, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    masks = MaskMap(torch.randint(-1, 3, grid, generator=generator), 3)
    scores = torch.randint(0, 9, (3, classes), generator=generator) / 8
    size = (grid[0] * factor, grid[1] * factor)
    assert torch.equal(semantic_map(masks, scores, size), semantic_map(masks.drawn(), scores, size))
