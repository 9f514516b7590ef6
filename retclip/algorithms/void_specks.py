"""Void specks: small unlabelled components of a panoptic map, filled from the segments around them.

FC-CLIP's rule leaves a pixel void if its best mask has a probability below 0.5 there, or was dropped; between segments
that leaves specks of a few pixels. Filling them is an option of ours, neither the paper's nor FC-CLIP's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retclip.algorithms.pixel_counts import label_counts


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
    components, count = ndimage.label(void)  # (H, W), 0 = labelled
    small = label_counts(components, count + 1) <= largest  # (components + 1,)
    small[0] = False
    pending = np.flatnonzero(small[components])  # (m,) in the flat maps
    del components, void
    if not len(pending):
        return label_map, mask_map
    labels, masks, width = label_map.copy(), mask_map.copy(), label_map.shape[1]
    flat_labels, flat_masks = labels.ravel(), masks.ravel()
    while len(pending):  # from the rim inwards; every component has a labelled side, as not all of the map is void
        around, inside = _neighbours(pending, width, labels.size)  # (m, 4), (m, 4)
        is_labelled = inside & (flat_labels[around] > 0)  # (m, 4)
        first = is_labelled.argmax(axis=1)  # (m,)
        rim = is_labelled.any(axis=1)  # (m,)
        origin = around[rim, first[rim]]
        values = flat_labels[origin], flat_masks[origin]
        flat_labels[pending[rim]], flat_masks[pending[rim]] = values
        pending = pending[~rim]
    return labels, masks


def _neighbours(places: NDArray[np.int64], width: int, pixels: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the places above, left, right and below in a flat map, 0 where it ends, and whether there are any."""
    column = places % width  # (m,)
    inside = np.stack([places >= width, column > 0, column < width - 1, places < pixels - width], axis=1)  # (m, 4)
    return np.where(inside, places[:, None] + np.array([-width, -1, 1, width]), 0), inside
