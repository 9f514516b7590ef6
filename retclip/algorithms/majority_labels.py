"""Labels for masks without a class name, from an annotation: the majority of the pixels under a mask names it.

    share(c) = pixels of the mask that show class c / pixels of the mask that vote

A pixel votes where the annotation says what it shows; void and crowd regions say it not. A mask gets the class of the
largest share where that share is above a threshold, and where at least half of its pixels vote. So a stored segment is
cut as the masks of a photo without annotation are (method.md 7.6).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SILENT = -1  # in a class map: the pixel does not vote; as a label: the mask gets none


class Majority(NamedTuple):
    """label: (n,) int64 class index, -1 where the mask gets none. share: (n,) float64 of the largest class, in [0, 1].
    outside: (n,) bool, whether fewer than half of the mask's pixels vote."""

    label: NDArray[np.int64]
    share: NDArray[np.float64]
    outside: NDArray[np.bool_]


def class_votes(mask: NDArray[np.bool_], class_map: NDArray[np.int32], classes: int) -> NDArray[np.int64]:
    """Return (c,) how many pixels of the mask show each class.

    mask: (H, W) bool.
    class_map: (H, W) class index of each pixel, -1 where it does not vote.
    classes: number c of classes.
    """
    return np.bincount(class_map[mask] + 1, minlength=classes + 1)[1:]


def majority_labels(
    votes: NDArray[np.int64], voters: NDArray[np.int64], area: NDArray[np.int64], threshold: float
) -> Majority:
    """Return the label of each mask.

    votes: (n, c) pixels of each mask that show a class; a pixel may show several where objects overlap.
    voters: (n,) pixels of each mask that vote.
    area: (n,) pixels of each mask.
    threshold: in [0, 1); a label needs a larger share. Of equal shares, possible up to 0.5, the first class wins.

    Worked example: of 10 pixels 5 show sky, 3 sea, 2 are void. 8 of 10 vote, sky has 5 / 8 = 0.625: sky at a threshold
    of 0.5, none at 0.7. Were 6 of the 10 void and 4 sky, the share would be 1, but only 4 of 10 vote: none.
    """
    label = votes.argmax(axis=1) if votes.shape[1] else np.full(len(votes), SILENT)  # (n,)
    most = votes.max(axis=1, initial=0)  # (n,)
    share = most / np.maximum(voters, 1)  # (n,)
    outside = 2 * voters < area  # (n,)
    kept = (share > threshold) & ~outside  # (n,)
    return Majority(np.where(kept, label, SILENT), share, outside)
