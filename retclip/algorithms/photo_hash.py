"""A perceptual hash of a photo: which neighbouring cells of a tiny grey copy grow brighter, along rows and columns.

128 bits of a copy of 9 x 9 cells: whether each of 8 x 8 cells is darker than the one to its right, and than the one
below (the difference hash, dHash, of Krawetz, "Kind of Like That", 2013, in both directions). Sizes, encodings and
brightness hardly change it. A mirrored photo is found by hashing its mirror image. Photos whose hashes differ in at
most NEAR bits look alike; unrelated ones differ in some 64 (docs/audit.md has what was measured).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 9  # cells of the grey copy
BITS = 2 * (SIDE - 1) ** 2
NEAR = 24  # bits; changed photos differ in at most 20, docs/audit.md


def photo_hash(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the hash of a grey copy: (128,) bool, first the rows' bits, then the columns'.

    grey: (9, 9) brightness.

    Worked example: a copy that grows brighter to the right, and no brighter downwards, has 64 bits set, then 64 not.
    """
    right = grey[:-1, 1:] > grey[:-1, :-1]  # (8, 8)
    below = grey[1:, :-1] > grey[:-1, :-1]  # (8, 8)
    return np.concatenate([right.ravel(), below.ravel()])


def differing_bits(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the bits in which hashes differ: (n, m).

    first: (n, b) bool; second: (m, b) bool.
    """
    signs = [np.where(bits, 1.0, -1.0).astype(np.float32) for bits in (first, second)]
    width = first.shape[1]
    counts: NDArray[np.int64] = np.rint((width - signs[0] @ signs[1].T) / 2).astype(np.int64)
    return counts
