"""Models made without their first random numbers, which weights from a file replace at once.

To draw them takes most of the time in which a large model is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What draws, and `erfinv_`, which makes timm's truncated normal numbers of uniform ones.
DRAWN = (
    Tensor.normal_, Tensor.uniform_, Tensor.erfinv_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_,
)  # fmt: skip


class NoRandomNumbers(TorchFunctionMode):
    """A context in which tensors that are to be filled at random keep whatever their memory holds."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the tensor as it is for a filling, else call what was called."""
        named = kwargs or {}
        if func not in DRAWN:
            return func(*args, **named)
        return args[0] if args else named["tensor"]
