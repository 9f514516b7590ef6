"""Mask pooling by hand, against a count of crumbs, and the two promises: no mask vanishes, no area is lost."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.mask_pooling import area_weights, fcclip_weights, mask_pooling
from retclip.types import MaskMap

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
seeds = st.integers(0, 2**31)
# (p, q): the image covers p / q of an axis; a fraction, so that the slow count can be exact
shares = st.tuples(st.integers(1, 5), st.integers(1, 5)).map(lambda pair: (min(pair), max(pair)))


def random(seed, *shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_worked_example():
    weights = area_weights(torch.tensor([[[1.0, 0.0, 0.0]]]), (1, 2))
    # each cell is 1.5 mask pixels wide; the first pixel fills 1 / 1.5 of the first cell
    torch.testing.assert_close(weights, torch.tensor([[[2 / 3, 0.0]]]))


def test_weights_and_means_by_hand():
    mask = torch.tensor([[[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]])
    weights = area_weights(mask, (1, 2))
    # cells of 2 x 2 pixels: 3 of 4 covered, then none of 4
    torch.testing.assert_close(weights, torch.tensor([[[0.75, 0.0]]]))
    # the image fills the upper half of the grid: the one row of cells is half padding, 3 / 8
    torch.testing.assert_close(area_weights(mask, (1, 2), (0.5, 1.0)), torch.tensor([[[0.375, 0.0]]]))
    grid = torch.tensor([[[2.0, 10.0]], [[-1.0, 4.0]]])  # two channels over two cells
    pooled, covered = mask_pooling(grid, torch.tensor([[[0.75, 0.25]], [[0.0, 0.0]]]))
    # (0.75 * 2 + 0.25 * 10) / 1 = 4 and (0.75 * -1 + 0.25 * 4) / 1 = 0.25; the second mask met nothing
    torch.testing.assert_close(pooled, torch.tensor([[4.0, 0.25], [0.0, 0.0]]))
    assert covered.tolist() == [True, False]
    # eps joins the divisor: (0.5 * 2) / (0.5 + 0.5)
    halved, _ = mask_pooling(grid, torch.tensor([[[0.5, 0.0]]]), eps=0.5)
    torch.testing.assert_close(halved, torch.tensor([[1.0, -0.5]]))


def test_fcclips_rule_loses_a_small_mask_that_the_area_rule_keeps():
    logits = torch.full((1, 4, 4), -1.0)
    logits[0, 0, 0] = 9.0
    # one cell samples the middle of the four inner pixels, all -1: the corner is never looked at
    assert fcclip_weights(logits, (1, 1)).tolist() == [[[0.0]]]
    assert area_weights((logits > 0).float(), (1, 1)).tolist() == [[[1 / 16]]]
    # (9 - 1 - 1 - 1) / 4 = 1.5 > 0 at the middle of the upper left four; exactly 0 would not count
    assert fcclip_weights(logits, (2, 2)).tolist() == [[[1.0, 0.0], [0.0, 0.0]]]
    assert fcclip_weights(torch.zeros(1, 2, 2), (2, 2)).sum() == 0


def slow_area(mask, size, extent):
    """Pixels and cells cut into crumbs that both are whole numbers of; axis after axis."""
    for cells, (p, q) in zip(size, extent, strict=True):
        pixels = len(mask)
        crumbs = np.repeat(mask, cells * p, axis=0)
        crumbs = np.concatenate([crumbs, np.zeros((pixels * cells * (q - p), mask.shape[1]))])
        mask = crumbs.reshape(cells, pixels * q, -1).mean(axis=1).T
    return mask


@settings(max_examples=80, deadline=None)
@given(sizes, sizes, st.tuples(shares, shares), seeds)
def test_the_area_weights_agree_with_a_count_of_crumbs(fine, coarse, extent, seed):
    masks = random(seed, 2, *fine)
    before = masks.clone()
    found = area_weights(masks, coarse, tuple(p / q for p, q in extent))
    wanted = np.stack([slow_area(mask.numpy(), coarse, extent) for mask in masks])
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)
    assert torch.equal(masks, before)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.tuples(st.floats(0.1, 1.0), st.floats(0.1, 1.0)), seeds)
def test_no_area_is_lost_and_no_share_passes_one(fine, coarse, extent, seed):
    masks = random(seed, 3, *fine)
    weights = area_weights(masks, coarse, extent)
    wanted = masks.mean(dim=(1, 2)) * extent[0] * extent[1]
    torch.testing.assert_close(weights.mean(dim=(1, 2)), wanted, atol=1e-7, rtol=1e-6)
    assert weights.min() >= 0 and weights.max() <= 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 64), st.integers(1, 64), sizes, st.data())
def test_one_pixel_never_vanishes(height, width, coarse, data):
    mask = torch.zeros(1, height, width)
    mask[0, data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))] = 1.0
    _, covered = mask_pooling(torch.ones(1, *coarse), area_weights(mask, coarse))
    assert covered.all()


@settings(max_examples=60, deadline=None)
@given(sizes, st.floats(1e-3, 1e3), seeds)
def test_pooling_is_a_mean(size, factor, seed):
    grid, weights = random(seed, 4, *size) - 0.5, random(seed + 1, 3, *size)
    weights[1] = 0.0
    before = grid.clone(), weights.clone()
    pooled, covered = mask_pooling(grid, weights)
    assert covered.tolist() == [True, False, True]
    flat = grid.flatten(1)
    for n in (0, 2):
        wanted = np.average(flat.numpy(), axis=1, weights=weights[n].flatten().numpy())
        np.testing.assert_allclose(pooled[n].numpy(), wanted, atol=1e-12)
        assert (pooled[n] >= flat.amin(1) - 1e-12).all() and (pooled[n] <= flat.amax(1) + 1e-12).all()
    assert (pooled[1] == 0).all(), "an uncovered mask has no vector"
    assert torch.equal(grid, before[0]) and torch.equal(weights, before[1])
    torch.testing.assert_close(mask_pooling(grid, weights * factor)[0], pooled)  # only ratios of weights matter
    torch.testing.assert_close(mask_pooling(grid * factor, weights)[0], pooled * factor)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.floats(-100, 100), seeds)
def test_a_constant_grid_pools_to_its_constant(fine, coarse, value, seed):
    weights = area_weights(random(seed, 2, *fine) + 0.01, coarse, (0.7, 0.4))
    pooled, covered = mask_pooling(torch.full((3, *coarse), value, dtype=torch.float64), weights)
    assert covered.all()
    assert pooled.numpy() == pytest.approx(value, abs=1e-9)


def test_equal_grids_give_the_mask_back_and_no_mask_gives_no_row():
    masks = random(0, 2, 5, 3)
    torch.testing.assert_close(area_weights(masks, (5, 3)), masks)
    pooled, covered = mask_pooling(torch.ones(4, 2, 2), area_weights(torch.zeros(0, 5, 3), (2, 2)))
    assert pooled.shape == (0, 4) and covered.shape == (0,)


def test_fcclips_rule_on_a_padded_grid_by_hand():
    """An image that fills 3 of 4 rows and 2 of 4 columns of the grid; its mask is the right half."""
    logits = torch.full((1, 6, 4), -5.0)
    logits[:, :, 2:] = 5.0
    weights = fcclip_weights(logits, (4, 4), (3 / 4, 2 / 4))
    wanted = torch.zeros(1, 4, 4)
    wanted[0, :3, 1] = 1.0  # the second column is the image's right half; the third and fourth are padding
    assert torch.equal(weights, wanted)
    everything = fcclip_weights(torch.full((1, 6, 4), 5.0), (4, 4), (3 / 4, 2 / 4))
    assert everything[0, :3, :2].all() and everything.sum() == 6


def test_fcclips_rule_without_padding_is_the_same_by_both_ways():
    logits = random(3, 4, 16, 12).float() - 0.5
    barely = 1.0 - 1e-7
    assert torch.equal(fcclip_weights(logits, (5, 7)), fcclip_weights(logits, (5, 7), (barely, barely)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_cost_nothing(dtype):
    """What a model works in, and what is around the call, must not reach the sums."""
    masks, grid = (random(0, 3, 40, 40) > 0.5).float(), random(1, 6, 20, 20).float()
    wanted = mask_pooling(grid.to(dtype).float(), area_weights(masks, (20, 20)))[0]
    with torch.autocast("cpu", torch.bfloat16):
        found = mask_pooling(grid.to(dtype), area_weights(masks.to(dtype), (20, 20)))[0]
    assert found.dtype == torch.float32 and torch.equal(found, wanted)


@settings(max_examples=50, deadline=None)
@given(sizes, sizes, seeds)
def test_with_steps_every_share_is_a_multiple_and_none_of_the_area_is_lost(mask_size, size, seed):
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, mask_size))
    masks = torch.stack([(labels == n).float() for n in range(3)])
    found, exact = area_weights(masks, size, steps=256), area_weights(masks, size)
    assert (found * 2**16 == (found * 2**16).round()).all()
    assert (found.sum(dim=0) == 1).all(), "masks that part the image part every cell"
    assert (found - exact).abs().max() <= 2 * 2 * 9 / 512  # two edges, two axes, nine pixels, half a step each


@settings(max_examples=100, deadline=None)
@given(sizes, sizes, st.sampled_from([(1.0, 1.0), (0.75, 0.9)]), st.sampled_from([0, 256]), seeds)
def test_a_map_of_masks_covers_what_its_masks_do(mask_size, size, extent, steps, seed):
    owners = torch.from_numpy(np.random.default_rng(seed).integers(-1, 3, mask_size))
    masks = MaskMap(owners, 4)
    found, wanted = (area_weights(form, size, extent, steps) for form in (masks, masks.drawn()))
    assert found.dtype == torch.float32 and torch.allclose(found, wanted, atol=1e-6)
    assert not steps or torch.equal(found, wanted), "with steps every sum is exact"


def test_masks_that_part_a_grid_are_pooled_without_their_zeros():
    """Each cell belongs to one of 64 masks; the sums are of whole numbers, which float32 holds exactly."""
    weights = MaskMap(torch.arange(64).reshape(8, 8), 65).drawn()
    grid = torch.arange(3 * 64, dtype=torch.float32).reshape(3, 8, 8)
    means, covered = mask_pooling(grid, weights)
    assert torch.equal(means[:64], grid.flatten(1).T) and covered.tolist() == [True] * 64 + [False]
