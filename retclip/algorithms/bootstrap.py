"""Confidence intervals by the percentile bootstrap over images (Efron, Tibshirani: An introduction to the bootstrap,
1993, chapter 13).

Of n images n are drawn with replacement, the figure is computed from their counts, and this is repeated; the interval
runs from the 2.5th to the 97.5th percentile of the figures. Counts are sums over images, so that a drawing is a vector
of weights, how often each image was drawn, and needs no second look at an image. Two systems on the same images are
compared with the same drawings: the interval of the difference is narrower than those of the two figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
AT_ONCE = 100  # drawings, so that memory does not grow with them


def drawings(images: int, count: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield `count` drawings, (b, images) float64 each, how often an image was drawn; every row sums to `images`.

    seed: equal seeds give equal drawings.
    """
    generator = np.random.default_rng(seed)
    for begin in range(0, count if images else 0, AT_ONCE):
        rows = min(AT_ONCE, count - begin)
        drawn = generator.integers(0, images, (rows, images)) + images * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def percentile_interval(values: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float] | None:
    """Return the interval that holds the share `level` of the figures; None where none of them is a number.

    values: (b,) of the drawings, nan where a drawing has no figure.
    """
    figures = values[np.isfinite(values)]
    if not figures.size:
        return None
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
