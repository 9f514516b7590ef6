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
    """The loss's weights, and the points at which masks are compared (`uncertain_points`)."""

    weights: LossWeights = field(default_factory=LossWeights)
    points: int = 12544
    oversample: float = 3.0
    importance: float = 0.75


@dataclass(frozen=True, eq=False)
class FrameTargets:
    """The annotated masks of one image in the network's padded input.

    masks: (m, H, W) in {0, 1}.
    classes: (m,) int64.
    """

    masks: Tensor
    classes: Tensor


def total_masks(targets: Sequence[FrameTargets]) -> float:
    """Return the divisor of the mask terms: the masks of a batch, averaged over the training processes, at least 1."""
    count = torch.tensor(float(sum(len(target.classes) for target in targets)))
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        count = count.to(targets[0].masks.device)
        group.all_reduce(count)
        count = count / group.get_world_size()
    return max(1.0, float(count))


def prediction_losses(
    logits: Tensor, masks: Tensor, targets: Sequence[FrameTargets], divisor: float, draw: Draw, shape: LossShape,
    assign: Assignment = least_cost,
) -> tuple[dict[str, Tensor], list[tuple[Tensor, Tensor]]]:  # fmt: skip
    """Return the weighted terms `class`, `mask` and `dice` of one prediction, and the matches of each image.

    logits: (b, q, c + 1), "no object" last.
    masks: (b, q, y, x) logits.
    divisor: see `total_masks`.
    assign: matches queries to targets, given the costs (q, m) of one image.

        class = cross-entropy of every query; the target of an unmatched one is "no object" with weight `void`
        mask  = sum over matched masks of the mean binary cross-entropy in their points / divisor
        dice  = sum over matched masks of 1 - (2 sum p t + 1) / (sum p + sum t + 1) / divisor
    """
    weights = shape.weights
    pairs = []
    for image_logits, image_masks, target in zip(logits, masks, targets, strict=True):
        points = draw((1, shape.points, 2)).to(masks.device)
        pairs.append(assign(matching_cost(image_logits, image_masks, target.classes, target.masks, points, weights)))
    terms = {"class": weights.classes * _class_term(logits, targets, pairs, weights.void)}
    mask, dice = _mask_terms(masks, targets, pairs, draw, shape)
    return {**terms, "mask": weights.mask * mask / divisor, "dice": weights.dice * dice / divisor}, pairs


def _class_term(
    logits: Tensor, targets: Sequence[FrameTargets], pairs: Sequence[tuple[Tensor, Tensor]], void: float
) -> Tensor:
    """Return the cross-entropy of every query (method.md 2.2)."""
    void_class = logits.shape[-1] - 1
    labels = torch.full(logits.shape[:2], void_class, dtype=torch.int64, device=logits.device)  # (b, q)
    for row, target, (queries, indices) in zip(labels, targets, pairs, strict=True):
        row[queries] = target.classes[indices]
    logits = at_least_float32(logits)
    weight = torch.ones(void_class + 1, dtype=logits.dtype, device=logits.device)  # (c + 1,)
    weight[-1] = void
    return F.cross_entropy(logits.transpose(1, 2), labels, weight)


def _mask_terms(
    masks: Tensor, targets: Sequence[FrameTargets], pairs: Sequence[tuple[Tensor, Tensor]], draw: Draw, shape: LossShape
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy and the Dice loss, summed over the k matched masks.

    Without a match both are 0 with a gradient of 0.
    """
    matched = [image_masks[queries] for image_masks, (queries, _) in zip(masks, pairs, strict=True)]
    predicted = at_least_float32(torch.cat(matched))  # (k, y, x)
    if not len(predicted):
        return masks.sum() * 0.0, masks.sum() * 0.0
    matched_targets = [target.masks[indices] for target, (_, indices) in zip(targets, pairs, strict=True)]
    annotated = torch.cat(matched_targets).to(predicted.dtype)  # (k, H, W)
    with torch.no_grad():
        points = uncertain_points(predicted, draw, shape.points, shape.oversample, shape.importance)  # (k, p, 2)
        truth = at_points(annotated, points)  # (k, p)
    logits = at_points(predicted, points)  # (k, p)
    probability = logits.sigmoid()  # (k, p)
    dice = 1 - (2 * (probability * truth).sum(1) + 1) / (probability.sum(1) + truth.sum(1) + 1)  # (k,)
    return F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(1).sum(), dice.sum()
