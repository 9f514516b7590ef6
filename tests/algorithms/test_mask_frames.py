"""Masks painted at a size: bilinear numbers worked out by hand, and logits by way of their frame."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.mask_frames import count_and_size, grid_probabilities, pixel_probabilities
from retclip.types import MaskLogits

ONE = torch.tensor([0])


def test_a_coarse_mask_is_enlarged_between_cell_centres():
    found = pixel_probabilities(torch.tensor([[[0.0, 1.0]]]), ONE, (2, 4))
    assert found.tolist() == [[[0.0, 0.25, 0.75, 1.0]] * 2]


def test_a_mask_that_fits_keeps_its_numbers():
    mask = torch.rand(3, 4, 6)
    assert torch.equal(pixel_probabilities(mask, torch.tensor([2, 0]), (4, 6)), mask[[2, 0]])


def test_logits_are_interpolated_before_the_sigmoid_and_lose_their_padding():
    """One row of two cells over a frame of 8 pixels, of which 4 are photo: the second cell is padding but for what
    interpolation brings of it. Pixel centres lie at -1, -.5, 0, .5 ... cells of the first cell's centre at 1.5."""
    logits = MaskLogits(torch.tensor([[[4.0, -4.0]]]), (1, 8), (1, 4))
    wanted = torch.tensor([4.0, 4.0, 3.0, 1.0])  # 8 pixels: 4 4 3 1 -1 -3 -4 -4, the first four are photo
    assert torch.allclose(pixel_probabilities(logits, ONE, (1, 4))[0, 0], wanted.sigmoid())


def test_the_way_is_frame_then_crop_then_size():
    values = torch.randn(2, 5, 7)
    logits = MaskLogits(values, (20, 28), (17, 21))
    framed = F.interpolate(values[None], size=(20, 28), mode="bilinear", align_corners=False)
    wanted = F.interpolate(framed[:, :, :17, :21], size=(40, 33), mode="bilinear", align_corners=False)[0].sigmoid()
    assert torch.allclose(pixel_probabilities(logits, torch.tensor([0, 1]), (40, 33)), wanted, atol=1e-6)


def test_nothing_chosen_is_nothing_painted():
    logits = MaskLogits(torch.zeros(2, 3, 3), (6, 6), (6, 5))
    for masks in (torch.zeros(2, 3, 3), logits):
        assert pixel_probabilities(masks, torch.tensor([], dtype=torch.int64), (4, 5)).shape == (0, 4, 5)


def test_on_the_photo_alone_without_padding_it_is_plain_interpolation():
    values = torch.randn(3, 4, 6)
    found = grid_probabilities(MaskLogits(values, (16, 24), (16, 24)), (8, 12))
    wanted = F.interpolate(values[None], size=(8, 12), mode="bilinear", align_corners=False)[0].sigmoid()
    assert torch.allclose(found, wanted, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 32), st.integers(1, 32))
def test_a_ramp_on_the_frame_stays_a_ramp_on_the_photo(height, width):
    """Logits that grow by 1 a frame pixel to the right: cell centres of the photo's grid read their own x."""
    x = torch.arange(8) * 4 + 1.5
    logits = MaskLogits((x / 8).expand(1, 8, 8), (32, 32), (height, width))  # small, or the sigmoid would swallow it
    found = grid_probabilities(logits, (3, 5)).logit() * 8
    wanted = ((torch.arange(5) + 0.5) / 5 * width - 0.5).clamp(1.5, 29.5)
    assert torch.allclose(found[0], wanted.expand(3, 5), atol=1e-3)


def test_how_many_and_how_large():
    assert count_and_size(torch.zeros(2, 3, 4))[:2] == (2, (3, 4))
    assert count_and_size(MaskLogits(torch.zeros(2, 3, 4), (12, 16), (11, 13)))[:2] == (2, (11, 13))
