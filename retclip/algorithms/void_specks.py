"""Void specks: small unlabelled islands of a panoptic map, given to the segments around them.

FC-CLIP's rule leaves a pixel void whose best mask is less than half sure of it, or was dropped; where segments meet,
that makes specks of a few pixels. Nothing of the paper closes them: this is an option of ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def close_void_specks(
    label_map: NDArray[np.int32], mask_map: NDArray[np.int32], largest: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Both maps with every void island of at most `largest` pixels closed. Each of its pixels takes the nearest
    labelled one, by steps over pixel sides; of equally near ones that above, then left, right, below.

    label_map: (H, W), 0 = void.
    mask_map: (H, W), the mask that each pixel came from, -1 = void.
    largest: pixels; islands are connected by their sides. 0 changes nothing.

    Worked example: of the row 1 0 0 2 with largest = 2 comes 1 1 2 2, with largest = 1 the row itself.
    """
    void = label_map == 0
    if largest <= 0 or not void.any() or void.all():
        return label_map, mask_map
    islands, _ = ndimage.label(void)  # (H, W), 0 = labelled
    small = np.bincount(islands.ravel()) <= largest
    small[0] = False
    specks = small[islands]
    if not specks.any():
        return label_map, mask_map
    labels, masks = np.pad(label_map, 1), np.pad(mask_map, 1, constant_values=-1)  # a frame of void
    steps = (-labels.shape[1], -1, 1, labels.shape[1])  # in the flat map: above, left, right, below
    flat_labels, flat_masks = labels.ravel(), masks.ravel()
    pending = np.flatnonzero(np.pad(specks, 1))
    while len(pending):  # from the rim inwards; every island has a labelled side, for not all of the map is void
        around = pending[:, None] + np.array(steps)  # (m, 4)
        first = (flat_labels[around] > 0).argmax(axis=1)
        origin = around[np.arange(len(pending)), first]
        rim = flat_labels[origin] > 0
        values = flat_labels[origin[rim]], flat_masks[origin[rim]]
        flat_labels[pending[rim]], flat_masks[pending[rim]] = values
        pending = pending[~rim]
    return labels[1:-1, 1:-1].copy(), masks[1:-1, 1:-1].copy()
