"""Bipartite matching of queries and annotated masks with the least cost (method.md 2.2)."""

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
    """Weights of the class, mask and Dice terms in the matching and in the loss.

    void: weight of "no object", the class of an unmatched query, in the class term.
    """

    classes: float = 2.0
    mask: float = 5.0
    dice: float = 5.0
    void: float = 0.1


Assignment = Callable[[Tensor], tuple[Tensor, Tensor]]  # costs (q, m) to rows and columns, both (k,)


def least_cost(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows (ascending) and columns, both (k,), k = min(q, m), whose costs have the least sum.

    cost: (q, m), finite.
    """
    rows, columns = linear_sum_assignment(cost.cpu().numpy())
    return torch.as_tensor(rows, device=cost.device), torch.as_tensor(columns, device=cost.device)


@torch.no_grad()
def matching_cost(
    logits: Tensor, masks: Tensor, classes: Tensor, targets: Tensor, points: Tensor, weights: LossWeights
) -> Tensor:
    """Return the cost of matching each query to each target, (q, m) float32 or finer, finite.

    logits: (q, c + 1), "no object" last.
    masks: (q, y, x) logits.
    classes: (m,) int64.
    targets: (m, H, W) in {0, 1} over the same frame.
    points: (1, p, 2) in [0, 1], in which all masks are compared.

        cost = classes * -p(class) + mask * mean binary cross-entropy + dice * (1 - (2 p t + 1) / (p + t + 1))
    """
    predicted = at_points(at_least_float32(masks), points.expand(len(masks), -1, -1))  # (q, p)
    annotated = at_points(targets.to(predicted.dtype), points.expand(len(targets), -1, -1))  # (m, p)
    probability = at_least_float32(logits).softmax(-1)[:, classes]  # (q, m)
    mask, dice = _cross_entropy(predicted, annotated), _dice(predicted, annotated)  # (q, m), (q, m)
    cost = weights.mask * mask + weights.dice * dice - weights.classes * probability
    return cost.nan_to_num(1e6, 1e6, -1e6)


def _cross_entropy(predicted: Tensor, annotated: Tensor) -> Tensor:
    """Return (q, m), the mean binary cross-entropy over the points of every query with every target.

    predicted: (q, p) logits. annotated: (m, p) in [0, 1].
    """
    positive, negative = F.softplus(-predicted), F.softplus(predicted)  # (q, p): loss of a point with target 1 and 0
    return (positive @ annotated.T + negative @ (1 - annotated).T) / predicted.shape[1]  # (q, p) (p, m) -> (q, m)


def _dice(predicted: Tensor, annotated: Tensor) -> Tensor:
    """Return (q, m), the Dice loss of every query with every target, with the same arguments."""
    probability = predicted.sigmoid()  # (q, p)
    return 1 - (2 * probability @ annotated.T + 1) / (probability.sum(1)[:, None] + annotated.sum(1) + 1)
