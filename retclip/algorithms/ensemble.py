"""The ensemble: three sources become one score per mask and class (paper, section 2.2; method.md 1.6).

    s_oov = gamma * s_ret + (1 - gamma) * s_clip
    s     = w * s_oov + (1 - w) * s_iv          w = alpha for classes seen in fine-tuning, else beta       (arithmetic)
    s     = softmax over classes of (1 - w) * log s_iv + w * log s_oov                            (geometric, FC-CLIP)

`combine` is that formula. What follows is ours or FC-CLIP's, and a setting each: scores are brought to sum 1 over the
classes (`renormalise`), and "no object", of probability v, enters by `void`:

    discount   s * (1 - v), and v beside the classes: no object where v is above the best of them   (FC-CLIP, default)
    apart      s * (1 - v), and no object where v is above one half, be the class as unsure as it may
    rival      s as it is, and v beside the classes                                               (the paper's bare sum)
    ignored    s as it is, v = 0: every mask is an object

Before that v may be corrected by how sure of a class CLIP is, c = `void_correction` (the rule of OVRCOAT,
arXiv:2603.21386, with c = 0.5; 0, the default, leaves v alone):

    v' = v * (1 - c * max over classes of r)          r = s_clip; s_ret of a mask of which CLIP says nothing

A source *abstains* for a class or a mask where it has no evidence, which is not a score of 0. With
`unknown = "fallback"` its weight goes to the other sources there: a class without stored segments, or a mask without a
neighbour in reach, is scored by CLIP alone instead of being capped at (1 - gamma) s_clip. `unknown = "zero"` is the
literal formula: an abstention counts as score 0. Either way a mask's scores depend on that mask alone.

`ensembles` is the same for many alpha, beta and gamma at once, the axis s.

Where retrieval says how certain it is of a mask, r in [0, 1], three things change there (the rule is ours; without that
the paper's formula stays as it is):

    gamma_n = r + (1 - r) * gamma                                  a certain vote decides alone, gamma is what is left
    s_ret_n = s_ret * (1 - (1 - r) * sum over classes of s_clip)   where it is not, what CLIP is sure of is taken off
    v_n     = (1 - r) * v, of a v that is CLIP's                   what is certainly stored is an object, whatever it is

The second is for classes that only one of the two can speak of: a store without cats votes for something else, however
far that is, and its full vote would drown whoever knows cats. The third is for pictures that CLIP, or a network's own
labels, take for nothing that was asked: a store that holds their like knows better.

A retrieval source may also say by class how much of its weight is left, h in [0, 1] (`vote_shrinkage`): gamma_nc is
h_nc gamma in the place of gamma, and a class for which nothing speaks is scored by CLIP alone, as by the fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from retclip.errors import ConfigError
from retclip.shapes import check_choice
from retclip.types import ClassScores, Role

Form = Literal["arithmetic", "geometric"]
Unknown = Literal["fallback", "zero"]
UNKNOWN: tuple[Unknown, ...] = ("fallback", "zero")
Void = Literal["discount", "apart", "rival", "ignored"]
VOID: tuple[Void, ...] = ("discount", "apart", "rival", "ignored")
DISCOUNTED: tuple[Void, ...] = ("discount", "apart")
HALF = 0.5


@dataclass(frozen=True)
class EnsembleWeights:
    """The weights of the ensemble; defaults are the paper's best (table 4).

    alpha, beta: in [0, 1], weight of retrieval and CLIP together, for seen and for unseen classes.
    gamma: in [0, 1], weight of retrieval beside CLIP.
    form: arithmetic (the paper) or geometric (FC-CLIP).
    unknown: what an abstention counts as, see the module.
    renormalise: whether arithmetic scores are scaled to sum 1 over the classes.
    void: how "no object" enters, see the module.
    void_correction: c in [0, 1], how far a sure class speaks against "no object", see the module.
    Raises ConfigError for a form or a rule that does not exist.
    """

    alpha: float = 0.4
    beta: float = 0.7
    gamma: float = 0.3
    form: Form = "arithmetic"
    unknown: Unknown = "fallback"
    renormalise: bool = True
    void: Void = "discount"
    void_correction: float = 0.0

    @property
    def rule(self) -> tuple[object, ...]:
        """All but alpha, beta and gamma: what weights that are combined together share."""
        return self.form, self.unknown, self.renormalise, self.void, self.void_correction

    def __post_init__(self) -> None:
        check_choice("ensemble.form", self.form, FORMS)
        check_choice("ensemble.unknown", self.unknown, UNKNOWN)
        check_choice("ensemble.void", self.void, VOID)


def ensemble(
    scores: Sequence[ClassScores],
    seen: Bool[Tensor, "c"],
    weights: EnsembleWeights,
    covered: Bool[Tensor, "n"] | None = None,
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n"]]:
    """Return the combined scores (n, c), by default already multiplied by 1 - v, and v (n,), both in [0, 1].

    By other rules than the default v is what the scores are held against (`rivals`).

    scores: of each classifier, at least one.
    seen: (c,) True for classes of the fine-tuning vocabulary.
    covered: (n,) False where a mask covers no feature cell; such a mask is scored by the in-vocabulary head alone,
    because its CLIP vector is undefined (method.md 1.3). None = all covered.

    Worked example, all sources present: a seen class weighs 0.12 s_ret + 0.28 s_clip + 0.60 s_iv, an unseen one
    0.21 s_ret + 0.49 s_clip + 0.30 s_iv. Without an in-vocabulary head s = s_oov.
    """
    combined, void = ensembles(scores, seen, [weights], covered)
    return combined[0], void


def ensembles(
    scores: Sequence[ClassScores],
    seen: Bool[Tensor, "c"],
    weights: Sequence[EnsembleWeights],
    covered: Bool[Tensor, "n"] | None = None,
) -> tuple[Float[Tensor, "s n c"], Float[Tensor, "n"]]:
    """Return for each of s weights what `ensemble` returns, to the last bit; v (n,) is the same for all.

    weights: at least one; they differ in alpha, beta and gamma alone. Raises ConfigError for others.
    """
    rules = {each.rule for each in weights}
    if len(rules) != 1:
        raise ConfigError("weights of one form and one rule", f"{len(rules)} of them", "combine each rule by itself")
    form, unknown, rule = weights[0].form, weights[0].unknown, weights[0].void
    like = scores[0].values.to(_precision(scores))  # (n, c)
    ret, clip, head = (_role_scores(scores, role, like, covered, unknown) for role in ROLES)
    alpha, beta, gamma = (
        like.new_tensor([getattr(each, name) for each in weights])[:, None, None] for name in ("alpha", "beta", "gamma")
    )  # (s, 1, 1)
    certainty = _of_retrieval(scores, like, "certainty")  # (n,)
    v = corrected_void(_void(scores, like, certainty), _surest(ret, clip), weights[0].void_correction)  # (n,)
    if certainty is not None:
        ret = replace(ret, values=discounted(ret.values, clip.values, certainty[:, None]))
    gamma = _share(_gamma(gamma, scores, like), ret.valid, clip.valid)  # (s, n, c)
    w = torch.where(seen.to(like.device), alpha, beta)  # (s, 1, c)
    w = _share(w, ret.valid | clip.valid, head.valid)  # (s, n, c)
    combined = combine(ret.values, clip.values, head.values, w, gamma, form)  # (s, n, c)
    if form == "arithmetic" and weights[0].renormalise:
        combined = _to_sum_1(combined)
    return combined * (1.0 - v)[:, None] if rule in DISCOUNTED else combined, rivals(v, rule)


def retrieval_weights(
    scores: Sequence[ClassScores], weights: EnsembleWeights, covered: Bool[Tensor, "n"] | None = None
) -> Float[Tensor, "n c"]:
    """Return the gamma of each mask and class that `ensemble` mixes with, in [0, 1], for the same arguments.

    Worked example: gamma = 0.4 with half of the vote's weight left for a class is 0.2; of a class that the store lacks
    it is 0, where CLIP abstains and retrieval does not 1.
    """
    like = scores[0].values.to(_precision(scores))  # (n, c)
    ret, clip = (_role_scores(scores, role, like, covered, weights.unknown) for role in (Role.RETRIEVAL, Role.CLIP))
    gamma = _gamma(like.new_full((1, 1, 1), weights.gamma), scores, like)  # (1, ...)
    valid = clip.valid | ret.valid  # (n, c); elsewhere nobody has a weight
    return (_share(gamma, ret.valid, clip.valid).expand(1, *like.shape)[0] * valid).to(like)


def rivals(v: Float[Tensor, "n"], rule: Void) -> Float[Tensor, "n"]:
    """Return what the best score of a mask is held against: v, 0 where nothing can be no object, and apart 1 or 0.

    Worked example: v = 0.4 and 0.6 are 0.4 and 0.6 by discount and rival, 0 and 1 apart, 0 and 0 ignored.
    """
    if rule == "ignored":
        return torch.zeros_like(v)
    return (v > HALF).to(v) if rule == "apart" else v


def corrected_void(v: Float[Tensor, "n"], surest: Float[Tensor, "n"], correction: float) -> Float[Tensor, "n"]:
    """Return v' in [0, 1], the probability of "no object" less what a sure class says against it; see the module.

    surest: (n,) in [0, 1], the score of each mask's best class.
    correction: c in [0, 1].

    Worked example with c = 0.5: v = 0.6 of a mask whose best class has 0.5 becomes 0.6 * 0.75 = 0.45; without any
    score it stays 0.6.
    """
    return v * (1.0 - correction * surest)


def combine(
    s_ret: Float[Tensor, "n c"],
    s_clip: Float[Tensor, "n c"],
    s_iv: Float[Tensor, "n c"],
    w: Float[Tensor, "..."],
    gamma: Float[Tensor, "..."],
    form: Form = "arithmetic",
) -> Float[Tensor, "*s n c"]:
    """Return s, the paper's formula (section 2.2; method.md 1.6).

    s_ret, s_clip, s_iv: (n, c) in [0, 1], scores by retrieval, by CLIP and by the in-vocabulary head.
    w: (), (c,), (n, c) or (s, n, c), the weight of retrieval and CLIP together; alpha for seen classes, else beta.
    gamma: as w, the weight of retrieval beside CLIP.
    Raises ConfigError for a form that does not exist.

    Worked example with w = 0.4, gamma = 0.3: of s_ret = 1, s_clip = 0.5, s_iv = 0.25 become s_oov = 0.65 and s = 0.41.
    """
    check_choice("ensemble.form", form, FORMS)
    s_oov = gamma * s_ret + (1.0 - gamma) * s_clip  # (n, c)
    return FORMS[form](w, s_oov, s_iv)


def discounted(
    s_ret: Float[Tensor, "n c"], s_clip: Float[Tensor, "n c"], certainty: Float[Tensor, "n 1"]
) -> Float[Tensor, "n c"]:
    """Return retrieval's scores less what CLIP is sure of, as far as retrieval is not certain; see the module.

    Worked example: a vote of 1 for person with certainty 0.25, beside labels that say cat with 0.8, counts
    1 - 0.75 * 0.8 = 0.4.
    """
    known = s_clip.sum(1, keepdim=True).clamp(max=1.0)  # (n, 1)
    return s_ret * (1.0 - (1.0 - certainty) * known)


def _arithmetic(w: Tensor, s_oov: Tensor, s_iv: Tensor) -> Float[Tensor, "*s n c"]:
    return w * s_oov + (1.0 - w) * s_iv


def _geometric(w: Tensor, s_oov: Tensor, s_iv: Tensor) -> Float[Tensor, "*s n c"]:
    """Return FC-CLIP's geometric form; 0 * log 0 counts as 0, so that a source with weight 0 cannot veto a class."""
    zero = torch.zeros_like(s_iv)  # (n, c)
    logits = torch.where(w < 1.0, (1.0 - w) * s_iv.log(), zero) + torch.where(w > 0.0, w * s_oov.log(), zero)
    return torch.softmax(logits, dim=-1).nan_to_num(0.0)  # (s, n, c); 0 where every class is vetoed


FORMS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"arithmetic": _arithmetic, "geometric": _geometric}
ROLES = (Role.RETRIEVAL, Role.CLIP, Role.IN_VOCABULARY)


@dataclass(frozen=True, eq=False)
class _RoleScores:
    """The scores of one role of the formula.

    values: (n, c) in [0, 1], 0 where the role abstains.
    valid: (n, c) bool, where the role takes part in the formula.
    """

    values: Tensor
    valid: Tensor


def _role_scores(
    scores: Sequence[ClassScores], role: Role, like: Tensor, covered: Tensor | None, unknown: Unknown
) -> _RoleScores:
    """Return per mask and class the mean over the role's classifiers that do not abstain.

    A role without a classifier is valid nowhere. A role that reads the CLIP vector is not valid for an uncovered mask.
    Where a role has classifiers and all of them abstain, `unknown` decides.
    """
    classifiers = [source for source in scores if source.role is role]
    readable = torch.ones(like.shape, dtype=torch.bool, device=like.device)  # (n, c)
    if covered is not None and role is not Role.IN_VOCABULARY:
        readable = readable & covered.to(like.device)[:, None]  # (n, c) & (n, 1)
    total, count = torch.zeros_like(like), torch.zeros_like(like)  # (n, c)
    for source in classifiers:
        valid = readable & source.knows.to(like.device)  # (n, c) & (c,)
        if source.speaks is not None:
            valid = valid & source.speaks.to(like.device)[:, None]  # (n, c) & (n, 1)
        # Clamped, because the logarithm of a rounding error below 0 would make every class of the mask NaN.
        values = source.values.to(like).clamp(0.0, 1.0)  # (n, c)
        total = total + torch.where(valid, values, torch.zeros_like(values))  # (n, c)
        count = count + valid.to(like.dtype)  # (n, c)
    literal = unknown == "zero" and bool(classifiers)
    return _RoleScores(total / count.clamp(min=1.0), readable if literal else count > 0)


def _surest(ret: _RoleScores, clip: _RoleScores) -> Float[Tensor, "n"]:
    """Return the score of each mask's best class by CLIP, by retrieval where CLIP says nothing."""
    says = clip.valid.any(dim=1, keepdim=True)  # (n, 1)
    values = torch.where(says, clip.values, ret.values)  # (n, c)
    return values.amax(dim=1) if values.shape[1] else values.new_zeros(len(values))


def _share(weight: Tensor, valid: Tensor, other_valid: Tensor) -> Float[Tensor, "s _n _c"]:
    """Return the weight of one side of a sum: `weight` where both sides are valid, 1 where only this side can be.

    weight: (s, 1, 1), (s, 1, c), (s, n, 1) or (s, n, c) in [0, 1].
    valid, other_valid: (n, c) bool.
    """
    if len(valid) and bool((valid == valid[:1]).all() & (other_valid == other_valid[:1]).all()):
        valid, other_valid = valid[:1], other_valid[:1]  # (1, c) are enough for all masks
    return torch.where(other_valid, torch.where(valid, weight, torch.zeros_like(weight)), torch.ones_like(weight))


def _to_sum_1(scores: Float[Tensor, "s n c"]) -> Float[Tensor, "s n c"]:
    total = scores.sum(-1, keepdim=True)  # (s, n, 1)
    return torch.where(total > 0, scores / total.clamp(min=torch.finfo(scores.dtype).tiny), scores)


def _precision(scores: Sequence[ClassScores]) -> torch.dtype:
    """Return the finest dtype of the sources, float32 at least: the result must not depend on their order."""
    return reduce(torch.promote_types, (source.values.dtype for source in scores), torch.float32)


def _gamma(gamma: Tensor, scores: Sequence[ClassScores], like: Tensor) -> Float[Tensor, "s _n _c"]:
    """Return gamma as far as the retrieval sources leave it: by class their shrinkage, by mask their certainty.

    gamma: (s, 1, 1).
    """
    shrinkage, certainty = (_of_retrieval(scores, like, name) for name in ("shrinkage", "certainty"))
    if shrinkage is not None:
        gamma = gamma * shrinkage  # (s, n, c)
    return gamma if certainty is None else certainty[:, None] + (1.0 - certainty[:, None]) * gamma


def _of_retrieval(scores: Sequence[ClassScores], like: Tensor, name: str) -> Tensor | None:
    """Return the mean of what the retrieval sources say, in [0, 1]; None where none does.

    name: `certainty`, (n,), or `shrinkage`, (n, c).
    """
    said = [getattr(source, name) for source in scores if source.role is Role.RETRIEVAL]
    values = [numbers.to(like).clamp(0.0, 1.0) for numbers in said if numbers is not None]
    return torch.stack(values).mean(0) if values else None


def _void(scores: Sequence[ClassScores], like: Tensor, certainty: Tensor | None) -> Float[Tensor, "n"]:
    """Return v, the mean probability of "no object" over the sources that give it; 0 where none does.

    certainty: (n,) of retrieval, in [0, 1], by which CLIP's are less.
    """
    left = {} if certainty is None else {Role.CLIP: 1.0 - certainty}  # (n,) of each role
    given = ((source.role, source.void) for source in scores if source.void is not None)
    voids = [void.to(like).clamp(0.0, 1.0) * left.get(role, 1.0) for role, void in given]  # (n,) each
    return torch.stack(voids).mean(0) if voids else like.new_zeros(len(like))  # (n,)
