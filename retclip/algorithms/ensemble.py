"""The ensemble: three sources become one score per mask and class (paper, section 2.2; method.md 1.6).

    s_oov = gamma * s_ret + (1 - gamma) * s_clip
    s     = w * s_oov + (1 - w) * s_iv          w = alpha for classes seen in fine-tuning, else beta       (arithmetic)
    s     = softmax over classes of (1 - w) * log s_iv + w * log s_oov                            (geometric, FC-CLIP)

`combine` is that formula. Scores are then brought to sum 1 over the classes and multiplied by (1 - v), v being the
probability of "no object".

A source that *cannot say* anything about a class, or about a mask, is not a source that says 0. With
`unknown = "fallback"` it drops out there and its weight goes to the others: a class without stored segments, or a mask
without a neighbour in reach, is judged by CLIP alone instead of being capped at (1 - gamma) s_clip. `unknown = "zero"`
is the literal formula: a source that cannot say has said 0. In both, what a mask gets hangs on that mask alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from retclip.shapes import check_choice
from retclip.types import ClassScores, Role

Form = Literal["arithmetic", "geometric"]
Unknown = Literal["fallback", "zero"]
UNKNOWN: tuple[Unknown, ...] = ("fallback", "zero")


@dataclass(frozen=True)
class EnsembleWeights:
    """alpha, beta, gamma: the paper's best (table 4). Raises ConfigError for a form or a rule that does not exist."""

    alpha: float = 0.4
    beta: float = 0.7
    gamma: float = 0.3
    form: Form = "arithmetic"
    unknown: Unknown = "fallback"
    renormalise: bool = True

    def __post_init__(self) -> None:
        check_choice("ensemble.form", self.form, FORMS)
        check_choice("ensemble.unknown", self.unknown, UNKNOWN)


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
    like = scores[0].values.to(_precision(scores))  # (n, c)
    ret, clip, head = (_voice(scores, role, like, covered, weights.unknown) for role in ROLES)
    alpha, beta, gamma = (like.new_tensor(weight) for weight in (weights.alpha, weights.beta, weights.gamma))  # ()
    gamma = _share(gamma, ret.counts, clip.counts)  # (n, c)
    w = torch.where(seen.to(like.device), alpha, beta)  # (c,)
    w = _share(w, ret.counts | clip.counts, head.counts)  # (n, c)
    combined = combine(ret.values, clip.values, head.values, w, gamma, weights.form)  # (n, c)
    if weights.form == "arithmetic" and weights.renormalise:
        combined = _to_sum_1(combined)
    void = _void(scores, like)  # (n,)
    return combined * (1.0 - void)[:, None], void


def combine(
    s_ret: Float[Tensor, "n c"],
    s_clip: Float[Tensor, "n c"],
    s_iv: Float[Tensor, "n c"],
    w: Float[Tensor, "..."],
    gamma: Float[Tensor, "..."],
    form: Form = "arithmetic",
) -> Float[Tensor, "n c"]:
    """The paper's formula.

    s_ret, s_clip, s_iv: (n, c) in [0, 1], scores by retrieval, by CLIP and by the in-vocabulary head.
    w: (), (c,) or (n, c), the weight of retrieval and CLIP together; alpha for seen classes, beta for unseen ones.
    gamma: (), (c,) or (n, c), the weight of retrieval beside CLIP.
    Raises ConfigError for a form that does not exist.

    Worked example with w = 0.4, gamma = 0.3: of s_ret = 1, s_clip = 0.5, s_iv = 0.25 become s_oov = 0.65 and s = 0.41.
    """
    check_choice("ensemble.form", form, FORMS)
    s_oov = gamma * s_ret + (1.0 - gamma) * s_clip  # (n, c)
    return FORMS[form](w, s_oov, s_iv)


def _arithmetic(w: Tensor, s_oov: Tensor, s_iv: Tensor) -> Float[Tensor, "n c"]:
    return w * s_oov + (1.0 - w) * s_iv


def _geometric(w: Tensor, s_oov: Tensor, s_iv: Tensor) -> Float[Tensor, "n c"]:
    """A source with weight 0 must not veto: 0 * log 0 counts as 0."""
    w, nothing = w.expand(s_iv.shape), torch.zeros_like(s_iv)  # (n, c)
    logits = torch.where(w < 1.0, (1.0 - w) * s_iv.log(), nothing) + torch.where(w > 0.0, w * s_oov.log(), nothing)
    return torch.softmax(logits, dim=1).nan_to_num(0.0)  # (n, c); every class vetoed: no evidence


FORMS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"arithmetic": _arithmetic, "geometric": _geometric}
ROLES = (Role.RETRIEVAL, Role.CLIP, Role.IN_VOCABULARY)


@dataclass(frozen=True, eq=False)
class _Voice:
    """What a role says: values (n, c), 0 where it says nothing, and where it takes part in the formula (n, c)."""

    values: Tensor
    counts: Tensor


def _voice(scores: Sequence[ClassScores], role: Role, like: Tensor, covered: Tensor | None, unknown: Unknown) -> _Voice:
    """The mean of a role's classifiers over those that know a class of a mask.

    A role that no classifier plays drops out: the formula is not defined without it. So does, for an uncovered mask, a
    role that reads its CLIP vector. Where classifiers are there and none of them knows, `unknown` decides.
    """
    players = [source for source in scores if source.role is role]
    readable = torch.ones(like.shape, dtype=torch.bool, device=like.device)  # (n, c)
    if covered is not None and role is not Role.IN_VOCABULARY:
        readable = readable & covered.to(like.device)[:, None]
    total, voices = torch.zeros_like(like), torch.zeros_like(like)  # (n, c)
    for source in players:
        knows = readable & source.knows.to(like.device)  # (n, c)
        if source.speaks is not None:
            knows = knows & source.speaks.to(like.device)[:, None]
        # Clamped, because the logarithm of a rounding error below 0 would take the whole mask with it.
        values = source.values.to(like).clamp(0.0, 1.0)  # (n, c)
        total = total + torch.where(knows, values, torch.zeros_like(values))
        voices = voices + knows.to(like.dtype)
    literal = unknown == "zero" and bool(players)
    return _Voice(total / voices.clamp(min=1.0), readable if literal else voices > 0)


def _share(weight: Tensor, counts: Tensor, others: Tensor) -> Float[Tensor, "n c"]:
    """The weight of one side of a sum: `weight` where both sides count, all of it where the other does not."""
    return torch.where(others, torch.where(counts, weight, torch.zeros_like(weight)), torch.ones_like(weight))


def _to_sum_1(scores: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    total = scores.sum(1, keepdim=True)  # (n, 1)
    return torch.where(total > 0, scores / total.clamp(min=torch.finfo(scores.dtype).tiny), scores)


def _precision(scores: Sequence[ClassScores]) -> torch.dtype:
    """The finest of the sources', float32 at least: the answer must not hang on which comes first."""
    return reduce(torch.promote_types, (source.values.dtype for source in scores), torch.float32)


def _void(scores: Sequence[ClassScores], like: Tensor) -> Float[Tensor, "n"]:
    known = [source.void.to(like).clamp(0.0, 1.0) for source in scores if source.void is not None]
    return torch.stack(known).mean(0) if known else like.new_zeros(len(like))
