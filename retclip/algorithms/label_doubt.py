"""Doubt in the label of a stored segment: how likely it is wrong, by all that is known of the segment.

A segment x of class y, with m[v, c] its mean distance to the 3 nearest of class c in other photos, as `label_trust`
measures it, in each of three views v: its vector; its vector with the scatter within classes taken out; the place and
shape of its mask (`mask_shapes`). With z the standardised logarithm of the share of its photo that its mask covers:

    p(c | x) = softmax over c of -sum over v of (w[v] + s[v] z) m[v, c] / t[v]        t = 0.025, 0.05, 0.1
    doubt = e / (e + (1 - e) k p(y | x))              k classes, e the share of wrong labels

So a label is doubted that its segment gives no reason for, whether or not one other class is near: a wrong label drawn
from k classes alike has p = 1 / k in the mean. Where another class has a greater p, the greatest of these is suggested.
Small masks have vectors of little meaning, so p may be flatter for them: s decides.

w, s and e are fitted to the store itself, where each label is a witness, right or drawn at random. They minimise

    -sum over segments of log((1 - e) k p(y | x) + e) + 100 sum over w, s, logit e of (value - usual)^2

whose second part, a normal prior of standard deviation 0.07 around the usual values, holds where a store is small. The
likelihood is that of labels with random errors (Natarajan et al., Learning with Noisy Labels, NeurIPS 2013), the
softmax that of a log-linear pool of opinions (Genest and Zidek, 1986). Chosen on other scenes and other wrong labels
than those that docs/audit.md reports on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

SCALES = (0.025, 0.05, 0.1)  # t
USUAL_WEIGHTS, USUAL_SLOPES = (0.5, 1.0, 0.5), (0.1, 0.3, 0.0)  # w, s
USUAL_WRONG = -3.0  # logit of e
STRENGTH = 100.0  # of the usual values; all chosen on other scenes, see docs/audit.md
STEPS = 60


@dataclass(frozen=True, eq=False)
class DoubtRule:
    """What was fitted to a store.

    weights: (3,) w.
    slopes: (3,) s.
    wrong: e, in (0, 1).
    """

    weights: Float[Tensor, "3"]
    slopes: Float[Tensor, "3"]
    wrong: float

    def judged(
        self, distances: Float[Tensor, "3 n c"], labels: Int64[Tensor, " n"], size: Float[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Int64[Tensor, " n"]]:
        """Return the doubt in [0, 1] in each label, NaN where nothing of its class is in another photo or there is no
        other class, and the suggested class, -1 where its own is the likeliest.

        distances: (3, n, c) m, inf = no segment of the class in another photo.
        labels: (n,) of 0 .. c-1.
        size: (n,) z.

        Worked example: with w = (1, 0, 0), s = 0, e = 0.1, distances 0.1 and 0.05 to two classes in the first view, the
        label being the first: p = 1 / (1 + exp(2)) = 0.119, k p = 0.238, doubt = 0.1 / (0.1 + 0.9 * 0.238) = 0.318,
        and the other class is suggested.
        """
        chance = _log_chance(distances, self.weights, self.slopes, size)  # (n, c)
        own = chance.gather(1, labels[:, None])[:, 0]
        rest = chance.scatter(1, labels[:, None], -torch.inf)  # (n, c)
        known = torch.isfinite(own) & torch.isfinite(rest).any(dim=1)
        odds = (1 - self.wrong) * distances.shape[2] * own.exp()
        doubt = (self.wrong / (self.wrong + odds)).masked_fill(~known, torch.nan)
        likelier = known & (rest.amax(dim=1) > own)
        return doubt, rest.argmax(dim=1).masked_fill(~likelier, -1)


def fitted_rule(distances: Float[Tensor, "3 n c"], labels: Int64[Tensor, " n"], size: Float[Tensor, " n"]) -> DoubtRule:
    """Fit the rule to a store by L-BFGS; segments that nothing is known of do not count.

    distances, labels, size: as `DoubtRule.judged` takes them.
    """
    known = torch.isfinite(distances[0].gather(1, labels[:, None])[:, 0])
    distances, labels, size = distances[:, known], labels[known], size[known]
    usual = torch.tensor([*USUAL_WEIGHTS, *USUAL_SLOPES, USUAL_WRONG], device=size.device)
    values = usual.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([values], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        own = _log_chance(distances, values[:3], values[3:6], size).gather(1, labels[:, None])[:, 0]
        wrong = torch.sigmoid(values[6])
        mixed = (1 - wrong) * distances.shape[2] * own.exp() + wrong
        total = -mixed.log().sum() + STRENGTH * (values - usual).square().sum()
        (total / max(1, len(labels))).backward()
        return total.detach() / max(1, len(labels))

    with torch.enable_grad():
        optimiser.step(loss)
    found = values.detach()
    return DoubtRule(found[:3], found[3:6], float(torch.sigmoid(found[6])))


def within_class_vectors(vectors: Float[Tensor, "n d"], classes: Int64[Tensor, " n"]) -> Float[Tensor, "n d"]:
    """Return vectors with the scatter within classes taken out, from their mean, of unit length, float32.

    vectors: (n, d).
    classes: (n,) any numbers.

    With W the covariance within classes (n less the number of classes in its denominator), shrunk towards an equal
    spread as d further segments would, S = (n W + d tr(W) / d I) / (n + d), vectors are multiplied by the inverse root
    of S, as linear discriminant analysis does (Fisher, 1936). Without two segments of a class S = I.

    Worked example: (1, 2) and (1, -2) of one class, (-1, 2) and (-1, -2) of another. W = diag(0, 8), tr(W) / d = 4,
    S = (4 W + 2 * 4 I) / 6 = diag(4/3, 20/3); so (1, 2) becomes (0.866, 0.775), scaled to unit length.
    """
    values = vectors.double()
    count, dim = values.shape
    _, numbers = classes.unique(return_inverse=True)
    groups = int(numbers.max()) + 1 if count else 0
    sums = values.new_zeros(groups, dim).index_add(0, numbers, values)
    apart = values - (sums / numbers.bincount(minlength=groups)[:, None])[numbers]  # (n, d)
    spread = apart.T @ apart / max(1, count - groups)  # (d, d) W
    level = spread.trace() / dim
    eye = torch.eye(dim, dtype=values.dtype, device=values.device)
    shrunk = (count * spread + dim * level * eye) / (count + dim) if level > 0 else eye
    roots, axes = torch.linalg.eigh(shrunk)
    return normalize((values - values.mean(dim=0)) @ (axes / roots.clamp(min=1e-12).sqrt()), dim=1).float()


def mask_shapes(boxes: Float[Tensor, "n 7"]) -> Float[Tensor, "n 6"]:
    """Return place and shape of masks: the logarithms of the shares of their photo that mask and box cover, and of
    width over height; the centre of the box in shares of the photo; the share of the box that the mask covers.

    boxes: (n, 7) x, y, width, height of the box, pixels of the mask, width and height of the photo, all in pixels.

    Worked example: a box of 20 x 10 at (0, 30) in a photo of 100 x 50, half of it covered: (log 0.02, log 0.04, log 2,
    0.1, 0.7, 0.5).
    """
    x, y, width, height, area, photo_width, photo_height = boxes.double().unbind(dim=1)
    photo, box = photo_width * photo_height, width * height
    parts: Sequence[Tensor] = (
        (area / photo).log(), (box / photo).log(), (width / height).log(), (x + width / 2) / photo_width,
        (y + height / 2) / photo_height, area / box,
    )  # fmt: skip
    return torch.stack(list(parts), dim=1).float()


def standardised(values: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """Return columns of mean 0 and standard deviation 1; one whose values are all alike is 0."""
    centred = values - values.mean(dim=0)
    return centred / centred.square().mean(dim=0).sqrt().clamp(min=1e-6)


def _log_chance(
    distances: Float[Tensor, "3 n c"], weights: Float[Tensor, "3"], slopes: Float[Tensor, "3"],
    size: Float[Tensor, " n"],
) -> Float[Tensor, "n c"]:  # fmt: skip
    """Compute log p; -inf for a class without a segment in another photo."""
    scales = torch.tensor(SCALES, device=size.device)
    factors = (weights[:, None] + slopes[:, None] * size).clamp(min=0.0) / scales[:, None]  # (3, n)
    there = torch.isfinite(distances[0])  # (n, c)
    values = -(factors[:, :, None] * distances.masked_fill(~there, 0.0)).sum(dim=0)
    return values.masked_fill(~there, -torch.inf).log_softmax(dim=1)
