"""Labels for masks without a class name, from the classes that their image is labelled with.

A mask gets the present class whose text is nearest, with the probability

    p(c) = a(c) exp(s cos(v, t_c)) / sum over all names k of a(k) exp(s cos(v, t_k))        a = 1 present, `absent` else

`absent` is the prior of a class that the image's labels do not list, relative to one that they list. At 0 the labels
count as complete: an image of one class gives every mask to it, whatever it shows; at 1 the labels have no effect.
The caller multiplies by the proposer's objectness to get the confidence. The rule is our own: it stands in for the
paper's detector (section 2.1), which names its boxes.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from retclip.algorithms.text_scores import text_logits


def assigned_labels(
    vectors: Float[Tensor, "n d"],
    text: Float[Tensor, "r d"],
    row_class: Int64[Tensor, "r"],
    present: Bool[Tensor, "c"],
    scale: float,
    absent: float,
) -> tuple[Int64[Tensor, "n"], Float[Tensor, "n"]]:
    """Return per mask the most probable present class and its probability in [0, 1]; -1 and 0 where none is present.

    vectors: (n, d) unit length, a row per mask.
    text: (r, d) unit length, a row per name or synonym.
    row_class: (r,) class index of each text row.
    present: (c,) True for the classes that the image is labelled with.
    scale: the factor s, above 0; CLIP's is 100.
    absent: prior of the other classes, in [0, 1].

    Worked example: one present class at cosine 0.3, one absent class at 0.3, s = 100, absent = 0.25: both explain the
    mask equally well, so p = 1 / (1 + 0.25) = 0.8.
    """
    if not len(vectors) or not bool(present.any()):
        zeros = torch.zeros(len(vectors), device=vectors.device)  # (n,)
        return zeros.long() - 1, zeros
    log_prior = torch.where(present, 1.0, absent).to(vectors.device).log()  # (c,); log 0 = -inf: impossible
    logits = text_logits(vectors, text, row_class, len(present), scale) + log_prior  # (n, c)
    probabilities = torch.softmax(logits, dim=1).masked_fill(~present.to(logits.device), -1.0)  # (n, c)
    confidence, labels = probabilities.max(dim=1)  # (n,), (n,)
    return labels, confidence


def mask_nms(masks: Float[Tensor, "n y x"], score: Float[Tensor, "n"], overlap: float) -> Int64[Tensor, "m"]:
    """Return the indices that mask non-maximum suppression keeps, best score first.

    A mask is suppressed where its IoU with a kept mask of higher score is above `overlap`. Masks are binarised at 0.5;
    an empty mask overlaps with nothing.

    masks: (n, y, x) in [0, 1].
    score: (n,), higher is better.
    overlap: IoU in [0, 1].
    """
    binary = (masks > 0.5).flatten(1).float()  # (n, y * x)
    intersection = binary @ binary.T  # (n, n)
    area = intersection.diagonal()  # (n,)
    union = area[:, None] + area[None] - intersection  # (n, n)
    iou = torch.where(union > 0, intersection / union.clamp(min=1.0), torch.zeros_like(intersection))  # (n, n)
    kept: list[int] = []
    for n in score.argsort(descending=True, stable=True).tolist():
        if not kept or float(iou[n, kept].max()) <= overlap:
            kept.append(n)
    return torch.tensor(kept, dtype=torch.int64)
