"""Mask2Former's loss with FC-CLIP's numbers: class, mask and Dice terms on every prediction (method.md 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from torch import Tensor

from retclip.algorithms.precision import at_least_float32
from retclip_mask2former.matching import Assignment, LossWeights, least_cost, matching_cost
from retclip_mask2former.point_sampling import Draw, at_points, uncertain_points


@dataclass(frozen=True)
class LossShape:
    """How the loss looks: its weights, and the points in which masks are compared (`uncertain_points`)."""

    weights: LossWeights = field(default_factory=LossWeights)
    points: int = 12544
    oversample: float = 3.0
    importance: float = 0.75


@dataclass(frozen=True, eq=False)
class FrameTargets:
    """What one image shows, on the network's frame: masks (m, H, W) in {0, 1}, classes (m,) int64."""

    masks: Tensor
    classes: Tensor


def total_masks(targets: Sequence[FrameTargets]) -> float:
    """The divisor of the mask terms: the masks of a batch, averaged over the processes that train together, at least
    1."""
    counted = torch.tensor(float(sum(len(one.classes) for one in targets)))
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        counted = counted.to(targets[0].masks.device)
        group.all_reduce(counted)
        counted = counted / group.get_world_size()
    return max(1.0, float(counted))


def prediction_losses(
    logits: Tensor, masks: Tensor, targets: Sequence[FrameTargets], divisor: float, draw: Draw, shape: LossShape,
    assign: Assignment = least_cost,
) -> tuple[dict[str, Tensor], list[tuple[Tensor, Tensor]]]:  # fmt: skip
    """The weighted terms `class`, `mask` and `dice` of one prediction, and which query answered for which target.

    logits: (b, q, c + 1), "no object" last. masks: (b, q, y, x) logits. divisor: see `total_masks`. assign: which
    query answers for which target, from the costs of one image.

        class = cross-entropy of every query, an unmatched one's being "no object" with weight `void`
        mask  = sum over matched masks of the mean binary cross-entropy in their points / divisor
        dice  = sum over matched masks of 1 - (2 sum p t + 1) / (sum p + sum t + 1) / divisor
    """
    weights = shape.weights
    pairs = []
    for one_logits, one_masks, one in zip(logits, masks, targets, strict=True):
        points = draw((1, shape.points, 2)).to(masks.device)
        pairs.append(assign(matching_cost(one_logits, one_masks, one.classes, one.masks, points, weights)))
    terms = {"class": weights.classes * _class_term(logits, targets, pairs, weights.void)}
    mask, dice = _mask_terms(masks, targets, pairs, draw, shape)
    return {**terms, "mask": weights.mask * mask / divisor, "dice": weights.dice * dice / divisor}, pairs


def _class_term(
    logits: Tensor, targets: Sequence[FrameTargets], pairs: Sequence[tuple[Tensor, Tensor]], void: float
) -> Tensor:
    nothing = logits.shape[-1] - 1
    wanted = torch.full(logits.shape[:2], nothing, dtype=torch.int64, device=logits.device)
    for row, one, (queries, chosen) in zip(wanted, targets, pairs, strict=True):
        row[queries] = one.classes[chosen]
    logits = at_least_float32(logits)
    weight = torch.ones(nothing + 1, dtype=logits.dtype, device=logits.device)
    weight[-1] = void
    return F.cross_entropy(logits.transpose(1, 2), wanted, weight)


def _mask_terms(
    masks: Tensor, targets: Sequence[FrameTargets], pairs: Sequence[tuple[Tensor, Tensor]], draw: Draw, shape: LossShape
) -> tuple[Tensor, Tensor]:
    """Sums over the matched masks; 0, with a gradient of 0, where there are none."""
    found = at_least_float32(torch.cat([one[queries] for one, (queries, _) in zip(masks, pairs, strict=True)]))
    if not len(found):
        return masks.sum() * 0.0, masks.sum() * 0.0
    wanted = torch.cat([one.masks[chosen] for one, (_, chosen) in zip(targets, pairs, strict=True)]).to(found.dtype)
    with torch.no_grad():
        points = uncertain_points(found, draw, shape.points, shape.oversample, shape.importance)
        truth = at_points(wanted, points)
    logits = at_points(found, points)
    share = logits.sigmoid()
    dice = 1 - (2 * (share * truth).sum(1) + 1) / (share.sum(1) + truth.sum(1) + 1)
    return F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(1).sum(), dice.sum()
