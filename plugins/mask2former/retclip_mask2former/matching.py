"""Which query answers for which annotated mask: the assignment of least cost (method.md 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from retclip.algorithms.precision import at_least_float32
from retclip_mask2former.point_sampling import at_points


@dataclass(frozen=True)
class LossWeights:
    """Of the class, mask and Dice terms, in the matching and in the loss; `void` of an unmatched query's class."""

    classes: float = 2.0
    mask: float = 5.0
    dice: float = 5.0
    void: float = 0.1


Assignment = Callable[[Tensor], tuple[Tensor, Tensor]]  # costs (q, m) to rows and columns, both (k,)


def least_cost(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (ascending) and columns, both (k,), k = min(q, m), whose costs have the least sum. cost: (q, m), finite."""
    rows, columns = linear_sum_assignment(cost.cpu().numpy())
    return torch.as_tensor(rows, device=cost.device), torch.as_tensor(columns, device=cost.device)


@torch.no_grad()
def matching_cost(
    logits: Tensor, masks: Tensor, classes: Tensor, targets: Tensor, points: Tensor, weights: LossWeights
) -> Tensor:
    """Compute what it costs that a query answers for a target, (q, m) float32 or finer, finite.

    logits: (q, c + 1), "no object" last.
    masks: (q, y, x) logits.
    classes: (m,) int64.
    targets: (m, H, W) in {0, 1} over the same frame.
    points: (1, p, 2) in [0, 1], in which all masks are compared.

        cost = classes * -p(class) + mask * mean binary cross-entropy + dice * (1 - (2 p t + 1) / (p + t + 1))
    """
    found = at_points(at_least_float32(masks), points.expand(len(masks), -1, -1))  # (q, p)
    wanted = at_points(targets.to(found.dtype), points.expand(len(targets), -1, -1))  # (m, p)
    likely = at_least_float32(logits).softmax(-1)[:, classes]  # (q, m)
    cost = weights.mask * _cross_entropy(found, wanted) + weights.dice * _dice(found, wanted) - weights.classes * likely
    return cost.nan_to_num(1e6, 1e6, -1e6)


def _cross_entropy(found: Tensor, wanted: Tensor) -> Tensor:
    """(q, m): the mean over the points of every query with every target."""
    yes, no = F.softplus(-found), F.softplus(found)  # of a pixel that should be in the mask, and of one that should not
    return (yes @ wanted.T + no @ (1 - wanted).T) / found.shape[1]


def _dice(found: Tensor, wanted: Tensor) -> Tensor:
    share = found.sigmoid()
    return 1 - (2 * share @ wanted.T + 1) / (share.sum(1)[:, None] + wanted.sum(1) + 1)
