"""Labels for masks that nobody named, from the classes that their image is known to show.

The nearest present class by text, with the probability

    p(c) = a(c) exp(s cos(v, t_c)) / sum over all names k of a(k) exp(s cos(v, t_k))        a = 1 present, `absent` else

`absent` is how likely a class is there although the image's labels do not say so, beside one that they name. At 0 the
labels are believed to be complete: an image of one class then gives every mask to it, whatever it shows; at 1 they are
not believed at all. Times the proposer's own objectness this is the confidence. Not in the paper, whose detector names
its boxes; the rule stands in for it.
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
    """Per mask the most probable present class, and its probability in [0, 1]; class -1 and 0 where none is present.

    vectors, text: unit length. row_class: each text row's class. absent: in [0, 1].

    Worked example: one present class at cosine 0.3, one absent class at 0.3, s = 100, absent = 0.25: both explain the
    mask equally well, so p = 1 / (1 + 0.25) = 0.8.
    """
    if not len(vectors) or not bool(present.any()):
        nothing = torch.zeros(len(vectors), device=vectors.device)
        return nothing.long() - 1, nothing
    prior = torch.where(present, 1.0, absent).to(vectors.device).log()  # log 0 = -inf: not possible
    logits = text_logits(vectors, text, row_class, len(present), scale) + prior
    likely = torch.softmax(logits, dim=1).masked_fill(~present.to(logits.device), -1.0)
    confidence, labels = likely.max(dim=1)
    return labels, confidence


def distinct_masks(masks: Float[Tensor, "n y x"], score: Float[Tensor, "n"], overlap: float) -> Int64[Tensor, "m"]:
    """The indices of masks that are not said again, best score first: one whose intersection over union with a better
    one is above `overlap` drops out. A mask is where it is above 0.5; an empty one overlaps with nothing."""
    inside = (masks > 0.5).flatten(1).float()
    shared = inside @ inside.T
    area = shared.diagonal()
    union = area[:, None] + area[None] - shared
    iou = torch.where(union > 0, shared / union.clamp(min=1.0), torch.zeros_like(shared))
    kept: list[int] = []
    for n in score.argsort(descending=True, stable=True).tolist():
        if not kept or float(iou[n, kept].max()) <= overlap:
            kept.append(n)
    return torch.tensor(kept, dtype=torch.int64)
