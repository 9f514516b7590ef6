"""Point sampling of masks: bilinear samples, and the points where a mask is most uncertain.

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
    """Return a source of uniform numbers in [0, 1) from a generator on the CPU."""
    return lambda shape: torch.rand(shape, generator=generator)


def at_points(maps: Tensor, points: Tensor) -> Tensor:
    """Return (n, p), each map's bilinear samples at its points, 0 outside.

    maps: (n, H, W).
    points: (n, p, 2) x y in [0, 1].
    """
    return F.grid_sample(maps[:, None], 2 * points[:, None].to(maps.dtype) - 1, align_corners=False)[:, 0, 0]


def uncertain_points(logits: Tensor, draw: Draw, points: int, oversample: float, importance: float) -> Tensor:
    """Return (n, points, 2): a share of the most uncertain of random points, and random points for the rest.

    Uncertain are points whose logit is near 0. No gradient flows through the selection.

    logits: (n, H, W).
    points: number of points per mask.
    oversample: random candidates per point, >= 1.
    importance: share of the points that are selected by uncertainty, in [0, 1].
    """
    uncertain = int(importance * points)
    candidates = draw((len(logits), int(oversample * points), 2)).to(logits.device)  # (n, candidates, 2)
    uncertainty = -at_points(logits.detach(), candidates).abs()  # (n, candidates)
    indices = uncertainty.topk(uncertain, dim=1).indices  # (n, uncertain)
    selected = candidates.gather(1, indices[..., None].expand(-1, -1, 2))  # (n, uncertain, 2)
    if uncertain < points:
        selected = torch.cat((selected, draw((len(logits), points - uncertain, 2)).to(logits.device)), dim=1)
    return selected
