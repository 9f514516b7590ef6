"""How near classes are to their own texts: which place a class's text takes among those of all classes.

A network of images and texts names a picture by the text that is nearest (Radford et al., 2021, Learning Transferable
Visual Models From Natural Language Supervision, section 3.1.2). Its vectors of pictures and of texts lie apart from
each other, around centres of their own (Liang et al., 2022, Mind the Gap, section 2), so both are measured from there:

    v[c] = mean of the unit vectors of class c, scaled to unit length     v'[c] = v[c] - mean of v over the classes
    s[c, j] = max over the terms r of class j of cos(v'[c], t'[r])        t'[r] = t[r] - mean of t over the terms
    rank[c] = 1 + number of classes j with s[c, j] > s[c, c]

Worked example: three classes with a vector and a term each, in the plane. Vectors: cat (1, 0), dog (0, 1), cow (-1, 0),
their mean (0, 1/3); texts: cat (1, 0), dog (-1, 0), cow (0, 1), their mean (0, 1/3). So v' of the cat is (1, -1/3), as
its t' is: cosine 1, rank 1. The dog has (0, 2/3), and its own t' is (-1, -1/3): cosine -0.32, as with the cat's, but 1
with the cow's. Its rank is 2, the cow is nearest. The cow has (-1, -1/3): cosine -0.32 with its own text, 1 with the
dog's, -0.8 with the cat's, rank 2. Dog and cow have each other's names.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from retclip.algorithms.text_scores import text_logits


def text_ranks(
    vectors: Float[Tensor, "n d"],
    labels: Int64[Tensor, "n"],
    text: Float[Tensor, "r d"],
    row_class: Int64[Tensor, "r"],
) -> tuple[Int64[Tensor, "c"], Int64[Tensor, "c"]]:
    """Return the rank of each class's own text, from 1, and the class whose text is nearest. Of equal cosines the own
    text counts as the nearer.

    vectors: (n, d) unit length, of stored segments.
    labels: (n,) their classes, each of 0 .. c-1 at least once.
    text: (r, d) unit length, a row per name or synonym.
    row_class: (r,) class of each row, each of 0 .. c-1 at least once.
    """
    classes = int(labels.max()) + 1
    sums = torch.zeros(classes, vectors.shape[1]).index_add(0, labels, vectors.float())
    own = torch.arange(classes)
    means = _from_centre(normalize(sums, dim=1))
    cosines = text_logits(means, _from_centre(text.float()), row_class, classes, 1.0)  # (c, c)
    mine = cosines[own, own]
    ranks = 1 + (cosines > mine[:, None]).sum(dim=1)
    return ranks, torch.where(ranks > 1, cosines.argmax(dim=1), own)


def _from_centre(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    return normalize(rows - rows.mean(dim=0), dim=1)
