"""Masks looked at in a few points instead of everywhere: bilinear samples, and the points where a mask is least sure.

PointRend's scheme as Mask2Former trains with it (method.md 2.2). Points are (x, y) in [0, 1] from the upper left corner
of the frame; `draw` gives uniform random numbers of a shape, on the CPU, in the order in which the original draws them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

Draw = Callable[[tuple[int, ...]], Tensor]


def drawn_from(generator: torch.Generator) -> Draw:
    """Uniform numbers in [0, 1) from a generator on the CPU."""
    return lambda shape: torch.rand(shape, generator=generator)


def at_points(maps: Tensor, points: Tensor) -> Tensor:
    """(n, p): each of the maps (n, H, W) at its points (n, p, 2), bilinear between cell centres, 0 outside."""
    return F.grid_sample(maps[:, None], 2 * points[:, None].to(maps.dtype) - 1, align_corners=False)[:, 0, 0]


def uncertain_points(logits: Tensor, draw: Draw, points: int, oversample: float, importance: float) -> Tensor:
    """(n, points, 2): of `oversample` times as many random points the share `importance` whose logit is nearest to 0,
    the rest anywhere. logits: (n, H, W); no gradient flows through the choice."""
    least_sure = int(importance * points)
    candidates = draw((len(logits), int(oversample * points), 2)).to(logits.device)
    doubt = -at_points(logits.detach(), candidates).abs()
    chosen = doubt.topk(least_sure, dim=1).indices
    found = candidates.gather(1, chosen[..., None].expand(-1, -1, 2))
    if least_sure < points:
        found = torch.cat((found, draw((len(logits), points - least_sure, 2)).to(logits.device)), dim=1)
    return found
