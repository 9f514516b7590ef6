"""TensorFlow's "same" convolution without a padded copy of its input.

TensorFlow pads an input of i cells for k weights and stride s by p = max((ceil(i / s) - 1) s + k - i, 0), of which
floor(p / 2) before it. Where p is odd that is uneven, which a convolution cannot do by itself, so timm copies the input
into a larger one first. Padded by as much on either side as makes the wanted cells a part of what comes out, none is
copied: the others, at most a few rows, are dropped.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn


class CroppedConv(nn.Module):
    """A convolution that returns what timm's `Conv2dSame` of the same weights does, but for rounding.

    same: not dilated.
    """

    def __init__(self, same: Conv2dSame) -> None:
        super().__init__()
        self.same = same

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (b, c, H, W) to (b, d, ceil(H / s), ceil(W / s))."""
        same, pads, wanted = self.same, [], []
        for cells, weights, stride in zip(values.shape[-2:], same.kernel_size, same.stride, strict=True):
            pad, skipped = even_padding(cells, weights, stride)
            pads.append(pad)
            wanted.append(slice(skipped, skipped - (-cells // stride)))
        found = F.conv2d(values, same.weight, same.bias, same.stride, tuple(pads), groups=same.groups)
        return found[:, :, wanted[0], wanted[1]]


def even_padding(cells: int, weights: int, stride: int) -> tuple[int, int]:
    """Return by how many cells to pad on either side, and how many of what comes out come before the wanted ones.

    cells, weights, stride: i, k and s of the module's formula.

    Worked example: 8 cells, 3 weights and stride 2 want p = 1, all of it behind. Padded by 2 on either side the outputs
    begin at -2, 0, 2, 4 and 6: the first is dropped.
    """
    total = max((-(-cells // stride) - 1) * stride + weights - cells, 0)
    before = total // 2
    pad = total - before
    pad += (before - pad) % stride
    return pad, (pad - before) // stride
