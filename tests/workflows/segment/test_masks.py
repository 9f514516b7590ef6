"""Masks brought to image pixels: sizes, boxes and areas against slow counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.pixel_counts import box
from retclip.types import MaskLogits, MaskMap, MaskProposals
from retclip.workflows.segment.masks import best_first, binary, boxes, painted

grids = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda size: st.lists(
        st.lists(st.sampled_from([0.0, 0.4, 0.5, 0.6, 1.0]), min_size=size[1], max_size=size[1]),
        min_size=size[0],
        max_size=size[0],
    )
)


def pixels_of(mask, threshold=0.5):
    mask = torch.tensor(mask)
    return binary(MaskProposals(mask[None], torch.ones(1), tuple(mask.shape)), 0, threshold).tolist()


def test_exactly_half_is_outside():
    assert pixels_of([[0.5, 0.51, 1.0, 0.0]]) == [[False, True, True, False]]
    assert pixels_of([[0.5, 0.9]], threshold=0.95) == [[False, False]]


def test_a_mask_with_logits_is_painted_from_them():
    """Between +8 and -2 the logit crosses zero nearer to the -2, the probability right in the middle."""
    logits = MaskLogits(torch.tensor([[[8.0, -2.0]]]), (1, 8), (1, 8))
    proposals = MaskProposals(logits.values.sigmoid(), torch.ones(1), (1, 8))
    assert binary(proposals, 0)[0].tolist() == [True] * 4 + [False] * 4
    assert binary(replace(proposals, logits=logits), 0)[0].tolist() == [True] * 5 + [False] * 3


def test_the_box_of_nothing_and_of_one_pixel():
    pixels = np.zeros((5, 7), dtype=bool)
    assert box(pixels) == (0, 0, 0, 0)
    pixels[3, 6] = True
    assert box(pixels) == (6, 3, 1, 1)


@settings(max_examples=100, deadline=None)
@given(grids)
def test_boxes_hold_every_pixel_and_touch_it_on_all_sides(rows):
    mask = torch.tensor(rows)
    pixels = mask.numpy() > 0.5
    x, y, width, height = box(pixels)
    inside = np.zeros_like(pixels)
    inside[y : y + height, x : x + width] = True
    assert not (pixels & ~inside).any()
    if pixels.any():
        assert pixels[y].any()
        assert pixels[y + height - 1].any()
        assert pixels[:, x].any()
        assert pixels[:, x + width - 1].any()
    same_grid = boxes(MaskProposals(mask[None], torch.ones(1), tuple(mask.shape)))
    assert same_grid.tolist() == [[x, y, x + width, y + height]]


@settings(max_examples=50, deadline=None)
@given(grids, st.integers(1, 5), st.integers(0, 4))
def test_the_box_of_a_coarse_mask_holds_its_cells_in_image_pixels(rows, scale, more):
    mask = torch.tensor(rows)
    size = (mask.shape[0] * scale + more, mask.shape[1] * scale + more)  # not always a whole multiple of the grid
    (found,) = boxes(MaskProposals(mask[None], torch.ones(1), size))
    cells = np.argwhere(mask.numpy() > 0.5)
    if not len(cells):
        assert found.tolist() == [0, 0, 0, 0]
        return
    (y0, x0), (y1, x1) = cells.min(0), cells.max(0) + 1
    height, width = size[0] / mask.shape[0], size[1] / mask.shape[1]
    assert np.floor([x0 * width + 1e-9, y0 * height + 1e-9]).tolist() == found[:2].tolist()
    assert np.ceil([x1 * width - 1e-9, y1 * height - 1e-9]).tolist() == found[2:].tolist()
    assert found[2] <= size[1]
    assert found[3] <= size[0]


def proposals(objectness, prompts=None):
    count = len(objectness)
    masks = torch.arange(count).float()[:, None, None].expand(count, 2, 2)
    rows = torch.arange(count).float()
    scores = {"detector_scores": rows / 10, "mask_scores": rows / 20} if prompts else {}
    return MaskProposals(masks, torch.tensor(objectness), (2, 2), prompts, rows[:, None], **scores)


def test_the_best_stay_in_falling_order_with_all_that_belongs_to_them():
    found = best_first(proposals([0.1, 0.9, 0.5, 0.9], ("a", "b", "c", "d")), 3)
    assert found.masks[:, 0, 0].tolist() == [1, 3, 2]
    assert found.prompts == ("b", "d", "c")
    assert found.embeddings[:, 0].tolist() == [1, 3, 2]
    assert found.objectness.tolist() == pytest.approx([0.9, 0.9, 0.5])
    assert found.detector_scores.tolist() == pytest.approx([0.1, 0.3, 0.2])
    assert found.mask_scores.tolist() == pytest.approx([0.05, 0.15, 0.1])


def test_few_enough_stay_as_they_came():
    given = proposals([0.1, 0.9])
    assert best_first(given, 2) is given
    one = best_first(proposals([0.1, 0.9]), 1)
    assert (one.prompts, one.detector_scores, one.mask_scores) == (None, None, None)


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 6), st.integers(1, 6)), st.sampled_from([1, 2, 4]), st.integers(0, 2**31))
def test_a_map_of_masks_is_painted_as_its_masks_are(grid, factor, seed):
    owners = torch.randint(-1, 3, grid, generator=torch.Generator().manual_seed(seed))
    as_map = MaskProposals(MaskMap(owners, 4), torch.ones(4), (grid[0] * factor, grid[1] * factor))
    drawn = replace(as_map, prompts=None)
    assert isinstance(as_map.form, MaskMap) and not isinstance(drawn.form, MaskMap)
    assert boxes(as_map).tolist() == boxes(drawn).tolist()
    assert list(painted(as_map)) == list(painted(drawn))
