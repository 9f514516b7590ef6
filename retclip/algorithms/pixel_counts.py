"""Counts and sums over the pixels of each label, band after band of a photo's rows; and the box of pixels.

NumPy counts in copies of 8 bytes a number: of a photo of 50 megapixels that are 400 MB, and as much again of what is
summed up. Bands take a few MB, and whole numbers have the same sums in any order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int32, Int64, UInt8
from numpy.typing import NDArray

BAND = 1 << 19  # pixels that are looked at together


def row_bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield the rows of a map, as many at a time as have about BAND pixels together. shape: (H, W, ...)."""
    rows = max(1, BAND // max(1, shape[1]))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def label_counts(label_map: Int32[np.ndarray, "H W"], count: int) -> Int64[np.ndarray, "m"]:
    """Return the pixels of each label, from 0 to `count` - 1 and on to the largest that is there.

    label_map: (H, W), not negative.

    Worked example: of the row 0 2 2 with count = 4 comes 1 0 2 0.
    """
    size = max(count, int(label_map.max(initial=-1)) + 1)
    counts = np.zeros(size, dtype=np.int64)
    for rows in row_bands(label_map.shape):
        counts += np.bincount(label_map[rows].ravel(), minlength=size)
    return counts


def label_sums(
    label_map: NDArray[np.integer], values: UInt8[np.ndarray, "H W"], count: int
) -> Float[np.ndarray, "count"]:
    """Return the sum of the values at the pixels of each label, exact below 2**53.

    label_map: (H, W), 0 to `count` - 1.

    Worked example: of the row 0 2 2 with the values 5 1 3 and count = 3 comes 5 0 4.
    """
    sums = np.zeros(count, dtype=np.float64)
    for rows in row_bands(label_map.shape):
        sums += np.bincount(label_map[rows].ravel(), values[rows].ravel(), count)
    return sums


def box(pixels: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return (x, y, width, height) of the pixels that are set; (0, 0, 0, 0) where none is."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1
