"""Best of the rest: of the stored classes that nobody asked for, the one that votes most speaks for them all.

Where what was not asked for competes (`segment.unasked`; method.md 8.3), its stored classes are one class more of the
vocabulary, the rest. Each of them votes for itself, as if it had been asked for, and the rest scores as the best does:

    s_ret[rest] = max over the classes r of the rest of s_ret[r]

A vote that sums would else add up what many classes say, and win against a class that each of them loses to. With a
vote in which a class scores its best neighbour this is the best neighbour of the rest, as without it. What else is
counted by class, as the vote's weight (`vote_shrinkage`), is that of the class which speaks. The rule is ours.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def rest_apart(
    neighbour_classes: Int64[Tensor, "n k"], of_rest: Int64[Tensor, "n k"], classes: int
) -> Int64[Tensor, "n k"]:
    """Return the neighbours' classes with each class of the rest for itself, numbered from c + 1 on.

    neighbour_classes: (n, k) index into the vocabulary, whose last class is the rest; -1 = none, c = not asked.
    of_rest: (n, k) the class of the rest that a neighbour of the rest is of, -1 for others.
    classes: c, the classes of the vocabulary.

    Worked example with c = 2: (0, 1, 1, 2) of which the rest are of its classes 7 and 4 become (0, 5, 4, 2).
    """
    numbers = torch.unique(of_rest, return_inverse=True)[1]  # (n, k) as few as there are neighbours
    return torch.where(neighbour_classes == classes - 1, numbers + classes + 1, neighbour_classes)


def speaker_of_rest(values: Float[Tensor, "n v"], classes: int) -> Int64[Tensor, " n"]:
    """Return the number of the class that speaks for the rest, of equal ones the first; c where no neighbour is of it.

    values: (n, v) scores of classes as `rest_apart` numbers them, v at least c.
    classes: c.
    """
    none = values.new_zeros(len(values), 1)  # (n, 1) in the place of number c, which is not the rest's
    return torch.cat([none, values[:, classes + 1 :]], dim=1).argmax(dim=1) + classes


def of_speaker(by_class: Float[Tensor, "n w"], speaker: Int64[Tensor, " n"], classes: int) -> Float[Tensor, "n c"]:
    """Return what is counted by class (n, c), of the rest that of the class which speaks for it.

    by_class: (n, w) of classes as `rest_apart` numbers them, w above c; at c what holds where none speaks.
    speaker: (n,) as `speaker_of_rest` returns it.
    classes: c.

    Worked example with c = 2: of (0.6, 0, 0, 0.5, 0.2) and the speaker 3 it is (0.6, 0.5).
    """
    return torch.cat([by_class[:, : classes - 1], by_class.gather(1, speaker[:, None])], dim=1)


def best_of_rest(
    values: Float[Tensor, "n v"], shares: Float[Tensor, "n k"], neighbour_classes: Int64[Tensor, "n k"], classes: int
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n k"]]:
    """Return the scores (n, c) with the best of the rest as the last class, and the shares of those who made them.

    values: (n, v) scores of classes as `rest_apart` numbers them, v at least c.
    shares: (n, k) of each neighbour in the score of its class.
    neighbour_classes: (n, k) as `rest_apart` returns them.
    classes: c.

    Worked example with c = 2, road and the rest, of which pavement and wall are stored: votes 0.4 for road, 0.3 for
    pavement, 0.2 and 0.1 for wall. The rest has 0.3, of pavement alone (of equal ones the first), so it is road; added
    up it would have 0.6.
    """
    speaker = speaker_of_rest(values, classes)  # (n,)
    silent = (neighbour_classes > classes) & (neighbour_classes != speaker[:, None])  # (n, k)
    spoken = torch.nn.functional.pad(values, (0, 1))  # (n, v + 1), a copy with room for number c
    spoken[:, classes] = 0.0
    return of_speaker(spoken, speaker, classes), shares.masked_fill(silent, 0.0)
