"""Void specks: small unlabelled components of a panoptic map, filled from the segments around them.

FC-CLIP's rule leaves a pixel void if its best mask has a probability below 0.5 there, or was dropped; between segments
that leaves specks of a few pixels. Filling them is an option of ours, neither the paper's nor FC-CLIP's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def close_void_specks(
    label_map: NDArray[np.int32], mask_map: NDArray[np.int32], largest: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return both maps with every void component of at most `largest` pixels filled.

    Each of its pixels takes the values of the nearest labelled pixel in the 4-neighbourhood distance; of equally near
    ones that above, then left, right, below.

    label_map: (H, W), 0 = void.
    mask_map: (H, W), the mask that each pixel comes from, -1 = void.
    largest: pixels; components are 4-connected. 0 changes nothing.

    Worked example: of the row 1 0 0 2 with largest = 2 comes 1 1 2 2, with largest = 1 the row itself.
    """
    void = label_map == 0  # (H, W)
    if largest <= 0 or not void.any() or void.all():
        return label_map, mask_map
    components, _ = ndimage.label(void)  # (H, W), 0 = labelled
    small = np.bincount(components.ravel()) <= largest  # (components + 1,)
    small[0] = False
    specks = small[components]  # (H, W)
    if not specks.any():
        return label_map, mask_map
    labels, masks = np.pad(label_map, 1), np.pad(mask_map, 1, constant_values=-1)  # (H + 2, W + 2), a border of void
    steps = (-labels.shape[1], -1, 1, labels.shape[1])  # in the flat map: above, left, right, below
    flat_labels, flat_masks = labels.ravel(), masks.ravel()
    pending = np.flatnonzero(np.pad(specks, 1))  # (m,)
    while len(pending):  # from the rim inwards; every component has a labelled side, as not all of the map is void
        around = pending[:, None] + np.array(steps)  # (m, 4)
        first = (flat_labels[around] > 0).argmax(axis=1)  # (m,)
        origin = around[np.arange(len(pending)), first]  # (m,)
        rim = flat_labels[origin] > 0  # (m,)
        values = flat_labels[origin[rim]], flat_masks[origin[rim]]
        flat_labels[pending[rim]], flat_masks[pending[rim]] = values
        pending = pending[~rim]
    return labels[1:-1, 1:-1].copy(), masks[1:-1, 1:-1].copy()
