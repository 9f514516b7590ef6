"""The ensemble: three sources become one score per mask and class (paper, section 2.2; method.md 1.6).

    s_oov = gamma * s_ret + (1 - gamma) * s_clip
    s     = w * s_oov + (1 - w) * s_iv          w = alpha for classes seen in fine-tuning, else beta       (arithmetic)
    s     = softmax over classes of (1 - w) * log s_iv + w * log s_oov                            (geometric, FC-CLIP)

Scores are then brought to sum 1 over the classes and multiplied by (1 - v), v being the probability of "no object".

A source that *cannot say* anything about a class, or about a mask, is not a source that says 0. With
`unknown = "fallback"` it drops out there and its weight goes to the others: a class without stored segments, or a mask
without a neighbour in reach, is judged by CLIP alone instead of being capped at (1 - gamma) s_clip. `unknown = "zero"`
is the literal formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from retclip.types import ClassScores, Role


@dataclass(frozen=True)
class EnsembleWeights:
    """alpha, beta, gamma: the paper's best (table 4). form: arithmetic or geometric. unknown: fallback or zero."""

    alpha: float = 0.4
    beta: float = 0.7
    gamma: float = 0.3
    form: str = "arithmetic"
    unknown: str = "fallback"
    renormalise: bool = True


def ensemble(
    scores: Sequence[ClassScores],
    seen: Bool[Tensor, "c"],
    weights: EnsembleWeights,
    covered: Bool[Tensor, "n"] | None = None,
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n"]]:
    """Combined scores (already times 1 - v) and v. At least one source is needed.

    seen: (c,), classes of the fine-tuning vocabulary. covered: (n,), False where a mask met no feature cell; such a
    mask is judged by the in-vocabulary head alone, because its CLIP vector means nothing (method.md 1.3).

    Worked example, all sources present: a seen class weighs 0.12 s_ret + 0.28 s_clip + 0.60 s_iv, an unseen one
    0.21 s_ret + 0.49 s_clip + 0.30 s_iv. Without an in-vocabulary head s = s_oov.
    """
    shape, like = scores[0].values.shape, scores[0].values.to(_precision(scores))
    seen = seen.to(like.device)
    covered = torch.ones(shape[0], dtype=torch.bool, device=like.device) if covered is None else covered.to(like.device)
    ret, knows_ret = _source(scores, Role.RETRIEVAL, shape, like)
    clip, knows_clip = _source(scores, Role.CLIP, shape, like)
    head, knows_head = _source(scores, Role.IN_VOCABULARY, shape, like)
    gamma = torch.full(shape, weights.gamma, dtype=like.dtype, device=like.device)
    oov = _mix(gamma, ret, clip, knows_ret, knows_clip, weights.unknown)
    w = torch.where(seen, weights.alpha, weights.beta).to(like.dtype)
    knows_oov = (knows_ret | knows_clip) & covered[:, None]
    w = _share(w.expand(shape), knows_oov, knows_head, weights.unknown, covered)
    oov = torch.where(covered[:, None], oov, torch.zeros_like(oov))  # 0 * NaN would be NaN
    combined = _geometric(w, oov, head) if weights.form == "geometric" else w * oov + (1.0 - w) * head
    if weights.form == "arithmetic" and weights.renormalise:
        total = combined.sum(1, keepdim=True)
        combined = torch.where(total > 0, combined / total.clamp(min=torch.finfo(like.dtype).tiny), combined)
    void = _void(scores, shape[0], like)
    return combined * (1.0 - void)[:, None], void


def _precision(scores: Sequence[ClassScores]) -> torch.dtype:
    """The finest of the sources', float32 at least: the answer must not hang on which comes first."""
    return reduce(torch.promote_types, (one.values.dtype for one in scores), torch.float32)


def _source(
    scores: Sequence[ClassScores], role: Role, shape: torch.Size, like: Tensor
) -> tuple[Float[Tensor, "n c"], Bool[Tensor, "n c"]]:
    """The mean of a role's classifiers over those that know a class of a mask, and which any of them knows."""
    total, voices = torch.zeros_like(like), torch.zeros_like(like)
    for one in (one for one in scores if one.role is role):
        knows = one.knows.to(like.device).expand(shape)
        if one.speaks is not None:
            knows = knows & one.speaks.to(like.device)[:, None]
        # Clamped, because the logarithm of a rounding error below 0 would take the whole mask with it.
        values = one.values.to(like).clamp(0.0, 1.0)
        total = total + torch.where(knows, values, torch.zeros_like(values))
        voices = voices + knows.to(like.dtype)
    return total / voices.clamp(min=1.0), voices > 0


def _mix(
    gamma: Tensor, ret: Tensor, clip: Tensor, knows_ret: Tensor, knows_clip: Tensor, unknown: str
) -> Float[Tensor, "n c"]:
    """s_oov per class. A role that no classifier plays always drops out: the formula is not defined without it."""
    present = knows_ret.any(), knows_clip.any()
    if unknown == "zero" and bool(present[0] and present[1]):
        return gamma * ret + (1.0 - gamma) * clip
    share = torch.where(knows_ret, torch.where(knows_clip, gamma, torch.ones_like(gamma)), torch.zeros_like(gamma))
    return share * ret + (1.0 - share) * clip


def _share(w: Tensor, knows_oov: Tensor, knows_head: Tensor, unknown: str, covered: Tensor) -> Float[Tensor, "n c"]:
    """The weight of s_oov where both sides know, all of it where only one does. As in `_mix`, a side that nobody
    plays drops out even under "zero"."""
    if unknown == "zero" and bool(knows_head.any() and knows_oov.any()):
        return torch.where(covered[:, None], w, torch.zeros_like(w))
    w = torch.where(knows_head, w, torch.ones_like(w))
    return torch.where(knows_oov | ~knows_head, w, torch.zeros_like(w))


def _geometric(w: Tensor, oov: Tensor, head: Tensor) -> Float[Tensor, "n c"]:
    """A source with weight 0 must not veto: 0 * log 0 counts as 0."""
    left = torch.where(w < 1.0, (1.0 - w) * head.log(), torch.zeros_like(w))
    right = torch.where(w > 0.0, w * oov.log(), torch.zeros_like(w))
    return torch.softmax(left + right, dim=1).nan_to_num(0.0)  # every class vetoed: no evidence


def _void(scores: Sequence[ClassScores], masks: int, like: Tensor) -> Float[Tensor, "n"]:
    known = [one.void.to(like).clamp(0.0, 1.0) for one in scores if one.void is not None]
    return torch.stack(known).mean(0) if known else torch.zeros(masks, dtype=like.dtype, device=like.device)
