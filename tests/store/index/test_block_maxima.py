"""The largest of each block, and of a row what may be among its k best: as a plain maximum and a plain sort say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retclip.store.index.block_maxima import BLOCK, above_kth, block_maxima, in_blocks

NUMBERS = st.one_of(st.floats(-2, 2, width=16), st.sampled_from([0.0, -0.0, -np.inf, -1e-38, 3e38, -3e38]))
SCORES = arrays(np.float32, st.tuples(st.integers(0, 3), st.integers(BLOCK, 5 * BLOCK)), elements=NUMBERS)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
@settings(max_examples=80, deadline=None)
@given(scores=SCORES)
def test_the_largest_of_each_block_also_where_all_are_negative(precision, scores):
    grouped = in_blocks(torch.from_numpy(scores).to(precision), BLOCK)
    assert torch.equal(block_maxima(grouped), grouped.amax(dim=1))
    below = -grouped.abs()
    assert torch.equal(block_maxima(below), below.amax(dim=1))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
@settings(max_examples=80, deadline=None)
@given(scores=SCORES, k=st.integers(1, 6), error=st.floats(0, 0.5))
def test_what_is_within_twice_the_error_of_the_kth_is_a_candidate(precision, scores, k, error):
    rounded = torch.from_numpy(scores).to(precision)
    found = above_kth(rounded, k, lambda kth: torch.full_like(kth, error))
    kth = rounded.float().topk(k, dim=1).values[:, -1:]  # (q, 1)
    needed = (rounded.float() >= kth - 2 * error) & (rounded > -torch.inf)
    kept = torch.zeros_like(needed)
    kept[found.rows, found.columns] = True
    assert not bool((needed & ~kept).any()) and bool((found.scores > -torch.inf).all())
    assert torch.equal(found.scores, rounded[found.rows, found.columns].float())
    likely = torch.bincount(found.rows[found.likely], minlength=len(rounded))
    assert bool((likely >= torch.clamp((rounded > -torch.inf).sum(1), max=k)).all())
