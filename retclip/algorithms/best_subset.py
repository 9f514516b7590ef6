"""The best subset of labelled masks, chosen with the truth at hand: what a perfect choice among them would answer.

    things, one mask each:        the mask with the largest IoU; above 0.5 no mask is the largest of two true segments
    stuff, any number of masks:   masks in the order of the share of their pixels that is right, each as long as the IoU
                                  of all of them together grows

A mask is chosen for a segment of its own label alone, and a segment without an IoU above 0.5 gets none: it would be a
false positive. Pixels that no true segment shows do not count. Contested pixels belong to the mask that is right more
often, see `Choice.share`. The greedy choice of stuff makes this a lower estimate of the best subset.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.panoptic_matching import MATCH

NOT_CHOSEN = -1


class Choice(NamedTuple):
    """segment: (n,) int64, the true segment that a mask is chosen for, -1 = none. share: (n,) float64 in [0, 1], of its
    pixels that show this segment, 0 where it is not chosen."""

    segment: NDArray[np.int64]
    share: NDArray[np.float64]


def best_subset(
    masks: NDArray[np.bool_], labels: NDArray[np.int64], truth: NDArray[np.int64], classes: NDArray[np.int64],
    several: NDArray[np.bool_],
) -> Choice:  # fmt: skip
    """Choose masks for the true segments of an image.

    masks: (n, H, W) bool.
    labels: (n,) class index of each mask.
    truth: (H, W) index of the true segment of each pixel, -1 = none.
    classes: (s,) class index of each true segment.
    several: (s,) whether a segment may consist of several masks.

    Worked example: a thing of 10 pixels, of which one mask shows the first 6 and nothing else, another one the last 8
    and 4 pixels beside it: IoU 6 / 10 = 0.6 and 8 / 14 = 0.57, so that the first is chosen. Were it stuff, both would
    be: together they show all 10 and 4 more, 10 / 14 = 0.71.
    """
    inside = truth >= 0  # (H, W)
    shown, segment_of = masks[:, inside], truth[inside]  # (n, p), (p,)
    overlap = np.stack(
        [np.bincount(segment_of[mask], minlength=len(classes)) for mask in shown] or [np.zeros(len(classes), np.int64)]
    )[: len(masks)]  # (n, s)
    overlap = np.where(labels[:, None] == classes[None, :], overlap, 0)
    area, true_area = shown.sum(axis=1), np.bincount(segment_of, minlength=len(classes))  # (n,), (s,)
    shares = overlap / np.maximum(area, 1)[:, None]  # (n, s)
    iou = overlap / np.maximum(area[:, None] + true_area[None, :] - overlap, 1)  # (n, s)
    chosen = np.full(len(masks), NOT_CHOSEN, dtype=np.int64)
    for segment in (~several).nonzero()[0].tolist() if len(masks) else ():
        mask = int(iou[:, segment].argmax())
        if iou[mask, segment] > MATCH:
            chosen[mask] = segment
    for segment in several.nonzero()[0].tolist():
        order = np.argsort(-shares[:, segment], kind="stable").tolist()
        candidates = [mask for mask in order if overlap[mask, segment] and chosen[mask] == NOT_CHOSEN]
        chosen[_grown(shown, segment_of == segment, candidates)] = segment
    share = np.where(chosen >= 0, shares[np.arange(len(masks)), chosen], 0.0) if len(classes) else np.zeros(len(masks))
    return Choice(chosen, share)


def _grown(masks: NDArray[np.bool_], segment: NDArray[np.bool_], candidates: list[int]) -> list[int]:
    """Return the masks whose union has the larger IoU with each of them, none where it stays below a match.

    masks: (n, p) bool. segment: (p,) bool.
    """
    union, best, taken = np.zeros(len(segment), dtype=bool), 0.0, list[int]()
    for mask in candidates:
        wider = union | masks[mask]
        iou = (wider & segment).sum() / (wider | segment).sum()
        if iou > best:
            union, best = wider, iou
            taken.append(mask)
    return taken if best > MATCH else []
