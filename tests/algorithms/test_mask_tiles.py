"""Masks tile by tile: the numbers of torch's interpolation, in whatever tiles, and within their bounds."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.mask_tiles import mask_tiles
from retclip.algorithms.panoptic_merge import MergeThresholds, panoptic_merge
from retclip.types import MaskLogits

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
EVERY = torch.arange(3)


def numbers(size, seed=0):
    return torch.randn(3, *size, generator=torch.Generator().manual_seed(seed))


def assembled(masks, size, side):
    whole = torch.full((3, *size), -1.0)
    for tile in mask_tiles(masks, size, side):
        whole[:, tile.rows, tile.columns] = tile.probabilities(EVERY)
    return whole


def interpolated(values, size):
    return F.interpolate(values[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 50))
def test_tiles_are_parts_of_the_interpolated_masks(grid, size, side):
    masks = numbers(grid).sigmoid()
    assert torch.allclose(assembled(masks, size, side), interpolated(masks, size), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 30), st.integers(1, 30), sizes, st.integers(1, 50))
def test_logits_go_through_their_frame(grid, height, width, size, side):
    values, frame = numbers(grid), (31, 33)
    wanted = interpolated(interpolated(values, frame)[:, :height, :width], size).sigmoid()
    assert torch.allclose(assembled(MaskLogits(values, frame, (height, width)), size, side), wanted, atol=1e-5)


@pytest.mark.parametrize("size", [(200, 333), (97, 64), (30, 40)])
def test_the_tiles_make_no_difference(size):
    """To the bit; after a sigmoid, which rounds otherwise at the end of an array, to the last but one."""
    masks, logits = numbers((30, 40)).sigmoid(), MaskLogits(numbers((30, 40)), (120, 160), (113, 160))
    for side in (40, 1000):
        assert torch.equal(assembled(masks, size, 128), assembled(masks, size, side))
        assert torch.allclose(assembled(logits, size, 128), assembled(logits, size, side), atol=1e-7, rtol=0)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(1, 30), st.integers(0, 1000))
def test_no_pixel_is_beyond_the_bounds_of_its_tile(grid, size, side, seed):
    for masks in (MaskLogits(numbers(grid, seed), (41, 43), (39, 43)), numbers(grid, seed).sigmoid()):
        for tile in mask_tiles(masks, size, side):
            least, most = (bound[:, None, None] for bound in tile.bounds())
            found = tile.probabilities(EVERY)
            assert bool((found >= least - 1e-6).all() and (found <= most + 1e-6).all())


def merged_whole(masks, scores, limits):
    """The merge's rules over whole masks at once; all classes are things."""
    best = scores.amax(dim=1)
    owner = (best[:, None, None] * masks).argmax(dim=0)
    label_map, segments = torch.zeros(masks.shape[1:], dtype=torch.int32), []
    for n, mask in enumerate(masks):
        mine, present = (owner == n) & (mask >= limits.mask_threshold), int((mask >= 0.5).sum())
        if mine.any() and present and int((owner == n).sum()) / present >= limits.overlap_threshold:
            segments.append(int(mine.sum()))
            label_map[mine] = len(segments)
    return label_map, segments


@pytest.mark.parametrize("spread", [0.3, 4.0, 30.0])
@pytest.mark.parametrize("limits", [MergeThresholds(), MergeThresholds(0.0, 0.2, 0.3)])
def test_masks_that_cannot_matter_in_a_tile_change_nothing(spread, limits):
    """Regions of a few cells, from masks that are alike nearly everywhere to such that are 0 or 1 nearly everywhere."""
    generator = torch.Generator().manual_seed(int(spread))
    regions = torch.randn(12, 8, 9, generator=generator).repeat_interleave(6, 1).repeat_interleave(5, 2)
    values = spread * regions + 0.1 * torch.randn(12, 48, 45, generator=generator)
    scores = torch.rand(12, 4, generator=generator)
    for masks in (values.sigmoid(), (values > 0).float()):
        wide = interpolated(masks, (300, 280))
        found, _, segments = panoptic_merge(
            masks, scores, torch.zeros(12), torch.ones(4, dtype=torch.bool), (300, 280), limits
        )
        wanted, areas = merged_whole(wide, scores, limits)
        assert float((found != wanted).float().mean()) < 1e-4, "only where two masks are as good as equal"
        assert [segment.area for segment in segments] == pytest.approx(areas, abs=3)
