"""Boundary IoU of a class map (Cheng, Girshick, Dollar, Berg, Kirillov: Boundary IoU, CVPR 2021, section 4).

    Boundary IoU_c = |G_d and P_d| / |G_d or P_d|

where G_d are the pixels of class c in the truth no farther than d from its contour, P_d those in the prediction,
counted over all images. d is 2 % of the image's diagonal, as in the paper for COCO; distances are those of the
published code, a mask eroded d times by a 3 x 3 square, and the image's edge is a contour. Pixels that the truth leaves
void do not count. The mean runs over the classes that have a boundary in the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retclip.shapes import check_shape

RATIO = 0.02  # of the diagonal (the paper's section 4, "Parameters")


def boundary_width(size: tuple[int, int]) -> int:
    """Return d in pixels, at least 1. size: (H, W)."""
    return max(1, round(RATIO * float(np.hypot(*size))))


def boundary_pixels(class_map: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """Return (H, W) whether another class, or the image's edge, lies within `width` pixels in either direction.

    class_map: (H, W) class indices, -1 = void.
    width: d >= 1.
    """
    edge = np.zeros(class_map.shape, dtype=bool)
    edge[[0, -1], :] = edge[:, [0, -1]] = True
    across, down = class_map[:, 1:] != class_map[:, :-1], class_map[1:] != class_map[:-1]
    falling, rising = class_map[1:, 1:] != class_map[:-1, :-1], class_map[1:, :-1] != class_map[:-1, 1:]
    for differs, first, second in (
        (across, np.s_[:, :-1], np.s_[:, 1:]),
        (down, np.s_[:-1], np.s_[1:]),
        (falling, np.s_[:-1, :-1], np.s_[1:, 1:]),
        (rising, np.s_[:-1, 1:], np.s_[1:, :-1]),
    ):
        edge[first] |= differs
        edge[second] |= differs
    return _widened(_widened(edge, width - 1).T, width - 1).T


@dataclass(frozen=True, eq=False)
class BoundaryCounts:
    """Boundary pixels of c classes: (c,) int64 each, in both, in the truth, in the prediction."""

    intersection: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(
            self.intersection + other.intersection, self.truth + other.truth, self.predicted + other.predicted
        )


def boundary_counts(predicted: NDArray[np.int64], truth: NDArray[np.int64], classes: int) -> BoundaryCounts:
    """Return the counts of one image.

    predicted, truth: (H, W) class indices, -1 = void.
    Raises ShapeError where the two differ in shape.
    """
    check_shape("predicted", predicted, "H W", check_shape("truth", truth, "H W"))
    width = boundary_width((truth.shape[0], truth.shape[1]))
    in_truth = boundary_pixels(truth, width) & (truth >= 0)
    in_prediction = boundary_pixels(predicted, width) & (predicted >= 0) & (truth >= 0)
    in_both = in_truth & in_prediction & (predicted == truth)
    pairs = ((truth, in_both), (truth, in_truth), (predicted, in_prediction))
    return BoundaryCounts(*(np.bincount(values[where], minlength=classes) for values, where in pairs))


def _widened(edge: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return each row with everything set that has a set pixel within `steps` to its left or right."""
    widened, reach = edge.copy(), 0
    while reach < steps:  # what reaches r pixels reaches 2 r after one more step of r
        step = min(max(reach, 1), steps - reach)
        before = widened.copy()
        widened[:, step:] |= before[:, :-step]
        widened[:, :-step] |= before[:, step:]
        reach += step
    return widened


def boundary_iou(
    intersection: NDArray[np.float64], truth: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (b, c) the IoU of each class in [0, 1], nan where it has no boundary in the truth.

    intersection, truth, predicted: (b, c) boundary pixels of b sets of images.
    """
    union = truth + predicted - intersection
    answer = np.full(union.shape, np.nan)
    np.divide(intersection, union, out=answer, where=truth > 0)
    return answer
