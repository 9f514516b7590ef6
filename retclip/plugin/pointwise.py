"""Linear layers computed as 1 x 1 convolutions: the same products by the CPU's faster library.

torch gives float32 products to MKL and convolutions to oneDNN. On processors that are not Intel's, MKL takes twice the
time (benchmarks/full_size_path.py: 85 against 140 to 230 GFLOP/s on an AMD EPYC). Rounding differs as between two
numbers of threads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Float
from torch import Tensor, nn

DILATION = 2  # of no effect on one cell; without it torch leaves such a convolution to MKL where it has one thread


class PointwiseLinear(nn.Linear):
    """A linear layer whose float32 products on a CPU are a 1 x 1 convolution over its rows."""

    def forward(self, x: Float[Tensor, "*n i"]) -> Float[Tensor, "*n o"]:
        """Return x W^T + b, as `nn.Linear` does."""
        if not _by_convolution(x):
            return super().forward(x)
        rows = x.reshape(1, 1, -1, x.shape[-1]).permute(0, 3, 1, 2)  # (1, i, 1, n), channels last in memory
        product = F.conv2d(rows, self.weight[:, :, None, None], self.bias, dilation=DILATION)  # (1, o, 1, n)
        return product.permute(0, 2, 3, 1).reshape(*x.shape[:-1], len(self.weight))


def with_pointwise_linear(module: nn.Module) -> nn.Module:
    """Let the module's plain linear layers compute as convolutions, in place; parameters and names stay."""
    for layer in module.modules():
        if type(layer) is nn.Linear:  # heirs may be read by parts instead of called
            layer.__class__ = PointwiseLinear
    return module


def _by_convolution(x: Tensor) -> bool:
    plain = x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return plain and x.numel() > 0 and torch.backends.mkldnn.is_available()
