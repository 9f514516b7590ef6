"""Numbers on a grid of powers of two, so that sums of them are exact, and the same in whatever order they are taken.

Processors, thread counts and matrix libraries add in different orders, and their exponentials and logarithms differ in
the last bit. Values that are multiples of 2^-bits and stay below 2^(53 - bits) add up exactly in float64 (below
2^(24 - bits) in float32), and rounding to the grid removes the noise of a function before it. That is why two machines
make the same vectors of a photo.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]


def on_grid(values: ArrayLike, bits: int) -> Doubles:
    """Round to the nearest multiple of 2^-bits; the even one of two that are as near."""
    return np.rint(np.multiply(values, 2.0**bits, dtype=np.float64)) / 2.0**bits


def gaussian(sigma: float, bits: int, slope: bool = False) -> Doubles:
    """Return the weights of a Gaussian cut at 4 sigma, on the grid; they sum to exactly 1.

    sigma: standard deviation in samples, above 0. slope: the weights of its derivative instead, for a correlation: a
    ramp of slope 1 gives 1 but for the rounding, a flat signal exactly 0."""
    radius = int(4 * sigma + 0.5)
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (x / sigma) ** 2)
    if slope:
        lever = x * weights
        return on_grid(lever / (lever * x).sum(), bits)
    weights = on_grid(weights / weights.sum(), bits)
    weights[radius] += 1 - weights.sum()
    return weights
