"""Frequency-weighted intersection over union (Long, Shelhamer, Darrell: Fully convolutional networks, 2015, section 5).

    FWIoU = sum over classes c of the truth of t_c * IoU_c / sum of t_c

where t_c are the pixels of class c in the truth: classes count by their area, not each alike as in the mean IoU.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frequency_weighted_iou(
    intersection: NDArray[np.float64], truth: NDArray[np.float64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the frequency-weighted IoU in [0, 1], (b,), nan where no pixel is labelled.

    intersection, truth, predicted: (b, c) pixels of each class in both, in the truth, and in the prediction where the
    truth labels it, of b sets of images.
    """
    union = truth + predicted - intersection  # (b, c)
    weighted = np.divide(truth * intersection, union, out=np.zeros_like(union), where=union > 0).sum(axis=1)  # (b,)
    labelled = truth.sum(axis=1)  # (b,)
    answer = np.full(labelled.shape, np.nan)
    np.divide(weighted, labelled, out=answer, where=labelled > 0)
    return answer
