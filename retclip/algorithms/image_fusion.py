"""A linear layer fitted to one photo: retrieved segments and class texts teach it, the photo's masks are judged by it.

The idea is that of Retrieve and Segment (arXiv:2602.23339, CVPR 2026), which trains a layer by steps of a gradient.
Here it is a ridge regression, which has one solution: nothing depends on a seed, and leaving one row out is exact.

    rows     x_i, y_i:  every segment that a mask of the photo retrieved, with its class; the text vector of every
             class; for a class with both the mean of its segments' mean and its text; of unit length, y one-hot
    W        = argmin over W of  sum over i of a_i |W x_i - y_i|^2 + r |W|^2         a_i = 1 / rows of the class of i
    s_c      = softmax over c of  W v / t

In the dual, with K = X X' + r diag(1 / a) and k = X v, W v = Y' K^-1 k. Without row i it is (`without_each`)

    W v - (K^-1 k)_i / (K^-1)_ii * (K^-1 Y)_i

which says of each retrieved segment what the scores of a mask would be had it not been there. A class without a
retrieved segment is taught by its text alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImageFusion:
    """A layer that was fitted to one photo.

    rows: (m, d) what taught it: the s retrieved segments, the c texts, the mixtures.
    inverse: (m, m) K^-1 of the module, float64.
    dual: (m, c) K^-1 Y.
    """

    rows: Tensor
    inverse: Tensor
    dual: Tensor


def image_fusion(
    retrieved: Float[Tensor, "s d"], classes: Int64[Tensor, "s"], text: Float[Tensor, "c d"], ridge: float
) -> ImageFusion:
    """Fit the layer of one photo.

    retrieved: (s, d) unit vectors of the segments that its masks retrieved, each once.
    classes: (s,) their classes in 0 .. c - 1.
    text: (c, d) unit vector of each class's name.
    ridge: r, above 0.

    Worked example, one class, text (1, 0), nothing retrieved, r = 1: K = 1 + 1 = 2, so W = (0.5, 0).
    """
    count = len(text)
    own = torch.arange(count, device=text.device)
    sums = text.new_zeros(count, text.shape[1]).index_add(0, classes, retrieved.to(text))  # (c, d)
    shown = own[torch.bincount(classes, minlength=count) > 0]  # (b,) the classes with both
    mixtures = F.normalize(F.normalize(sums[shown], dim=1) + text[shown], dim=1)  # (b, d)
    rows = torch.cat([retrieved.to(text), text, mixtures]).double()  # (m, d)
    labels = torch.cat([classes.to(own), own, shown])  # (m,)
    penalty = ridge * torch.bincount(labels, minlength=count).double()[labels]  # (m,) r / a_i
    inverse = torch.linalg.inv(rows @ rows.T + torch.diag(penalty))  # (m, m)
    return ImageFusion(rows, inverse, inverse @ F.one_hot(labels, count).double())


def class_texts(text: Float[Tensor, "r d"], row_class: Int64[Tensor, "r"], classes: int) -> Float[Tensor, "c d"]:
    """Return a unit vector of each class, the mean of its terms.

    text: (r, d) unit vectors of names and synonyms; row_class: (r,) the class of each.
    """
    return F.normalize(text.new_zeros(classes, text.shape[1]).index_add(0, row_class, text), dim=1)


def fused_logits(fitted: ImageFusion, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
    """Return W v of each mask, float64. vectors: (n, d) unit length."""
    return vectors.double() @ fitted.rows.T @ fitted.dual


def fused_scores(fitted: ImageFusion, vectors: Float[Tensor, "n d"], temperature: float) -> Float[Tensor, "n c"]:
    """Return s_c of the module for each mask. temperature: t, above 0."""
    return torch.softmax(fused_logits(fitted, vectors) / temperature, dim=1).to(vectors.dtype)


def without_each(fitted: ImageFusion, vector: Float[Tensor, "d"], rows: Int64[Tensor, "r"]) -> Float[Tensor, "r c"]:
    """Return W v of one mask as it would be without each of some rows; see the module. The a of the others stay."""
    weights = fitted.inverse[rows] @ (fitted.rows @ vector.double())  # (r,)
    change = (weights / fitted.inverse.diagonal()[rows])[:, None] * fitted.dual[rows]  # (r, c)
    return fused_logits(fitted, vector[None]) - change
