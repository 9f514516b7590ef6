"""Voting places: which of a mask's nearest stored segments vote, and which come after them.

Of the segments that a search brings, nearest first, the first k different ones vote; per class, the first k of each.
A segment that stands for several classes is one segment and has a place for each. Those behind them are kept beside:
where a voter is left out, the next one moves up, as a search in a store without it would answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def voting_places(
    ids: NDArray[np.object_], classes: NDArray[np.int64], k: int, per_class: bool = False
) -> NDArray[np.bool_]:
    """Return (n, m) whether the segment at each place is one of the k that vote.

    ids: (n, m) segments, nearest first, None = none; the places of one segment stand side by side.
    classes: (n, m) class index, -1 = none.
    k: how many segments vote, at least 0.
    per_class: k of each class instead of k of all.

    Worked example: segments (s, t, t, u) of classes (a, a, b, a), t standing for two. k = 2: s and both places of t.
    k = 1 per class: s for a, t for b.
    """
    return (classes >= 0) & (ordinals(ids, classes, per_class) < k)


def ordinals(ids: NDArray[np.object_], classes: NDArray[np.int64], per_class: bool = False) -> NDArray[np.int64]:
    """Return (n, m) how many different segments stand before the one at each place; per class, of its class.

    ids, classes, per_class: as `voting_places` takes them.
    """
    if not per_class:
        begins = np.ones(ids.shape, dtype=np.int64)
        begins[:, 1:] = ids[:, 1:] != ids[:, :-1]
        return begins.cumsum(axis=1) - 1
    order = np.argsort(classes, axis=1, kind="stable")  # (n, m) class by class, each nearest first
    sorted_classes = np.take_along_axis(classes, order, axis=1)
    places = np.broadcast_to(np.arange(classes.shape[1]), classes.shape)
    begins_class = np.ones(classes.shape, dtype=bool)
    begins_class[:, 1:] = sorted_classes[:, 1:] != sorted_classes[:, :-1]
    within = places - np.maximum.accumulate(np.where(begins_class, places, 0), axis=1)
    answer = np.empty(classes.shape, dtype=np.int64)
    np.put_along_axis(answer, order, within, axis=1)
    return answer
