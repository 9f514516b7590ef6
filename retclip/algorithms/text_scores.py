"""CLIP text scores: similarity of each mask's vector to each class name (method.md 1.4, 1.6).

    logit[n, c] = scale * max over the terms r of class c of cos(v[n], t[r])

where v are mask vectors, t text vectors, a row per name or synonym. A class scores the *best* of its synonyms; the
mean would punish a class for having many.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def text_logits(
    vectors: Float[Tensor, "n d"],
    text: Float[Tensor, "r d"],
    row_class: Int64[Tensor, "r"],
    classes: int,
    scale: float,
) -> Float[Tensor, "n c"]:
    """Return the logits of each mask and class; a class without a text row gets -inf, and so probability 0.

    Autocast is off here: at a scale of 100 a cosine rounded to bfloat16 changes a logit by 0.2.

    vectors: (n, d) unit length.
    text: (r, d) unit length, a row per name or synonym.
    row_class: (r,) class index of each text row.
    classes: c, the number of classes.
    scale: above 0; CLIP's is 100.
    """
    with torch.autocast(vectors.device.type, enabled=False):
        similarities = vectors @ text.T  # (n, r)
    best = torch.full((len(vectors), classes), -torch.inf, dtype=similarities.dtype, device=similarities.device)
    best = best.scatter_reduce(1, row_class.expand(len(vectors), -1), similarities, reduce="amax")  # (n, r) -> (n, c)
    return scale * best


def text_scores(
    vectors: Float[Tensor, "n d"],
    text: Float[Tensor, "r d"],
    row_class: Int64[Tensor, "r"],
    classes: int,
    scale: float,
) -> Float[Tensor, "n c"]:
    """Return the softmax of `text_logits` over the classes, with the same arguments; rows sum to 1."""
    return torch.softmax(text_logits(vectors, text, row_class, classes, scale), dim=-1)
