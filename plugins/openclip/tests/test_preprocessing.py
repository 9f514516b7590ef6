"""Numbers worked out by hand, in FC-CLIP's order: resize, normalise, pad."""

import numpy as np
import torch
from retclip_openclip.preprocessing import Frame, normalised, padded, resized


def test_normalising_and_then_padding_leaves_zeros_beyond_the_photo():
    pixels = np.full((3, 5, 3), 200, dtype=np.uint8)
    values, frame = padded(normalised(pixels, torch.tensor([100.0, 0, 200]), torch.tensor([50.0, 100, 1])), 4)
    assert frame == Frame((4, 8), (3, 5))
    assert frame.extent == (0.75, 0.625)
    assert values.shape == (3, 4, 8)
    assert values[:, 2, 4].tolist() == [2.0, 2.0, 0.0]
    assert values[:, 3].abs().sum() == 0
    assert values[:, :, 5:].abs().sum() == 0


def test_resizing_keeps_the_same_size_and_mixes_neighbours():
    pixels = np.array([[[0] * 3, [100] * 3]], dtype=np.uint8)
    assert resized(pixels, (1, 2)).tolist() == pixels.tolist()
    assert resized(pixels, (1, 4))[0, :, 0].tolist() == [0, 25, 75, 100]
