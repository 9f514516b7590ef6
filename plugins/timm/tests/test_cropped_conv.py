"""A convolution without a padded copy against timm's own."""

import pytest
import torch
from retclip_timm.cropped_conv import CroppedConv, even_padding
from timm.layers.conv2d_same import Conv2dSame


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("weights", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(8, 12), (9, 7), (1, 5), (2, 3)])
@pytest.mark.parametrize("groups", [1, 4])
def test_what_timm_returns(size, weights, stride, groups):
    torch.manual_seed(0)
    same = Conv2dSame(4, 8, weights, stride=stride, groups=groups).requires_grad_(False)
    values = torch.rand(2, 4, *size)
    assert torch.allclose(CroppedConv(same)(values), same(values), atol=1e-6)


def test_padding_by_hand():
    assert even_padding(8, 3, 2) == (2, 1)  # 0 before and 1 behind
    assert even_padding(7, 3, 2) == (1, 0)  # even already
    assert even_padding(8, 5, 2) == (3, 1)  # 1 before and 2 behind
    assert even_padding(8, 1, 2) == (0, 0)
