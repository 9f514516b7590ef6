"""Samples of more than 8 bits, brought to 8 by their range (stores.md 5.3), where Pillow would cut them off."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retclip.errors import DataError


def eight_bit(samples: NDArray[Any], uri: str) -> NDArray[np.uint8]:
    """Scale samples to 0..255: 16-bit integers by the full range of their type, wider ones and floats by their own.

    samples: (H, W), integers or floats.
    uri: the photo's name, for the error.
    Raises DataError where a sample is NaN or infinite.
    """
    if not np.isfinite(samples).all():
        raise DataError(f"finite samples: {uri}", "NaN or infinite samples", "repair the export")
    values = samples.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(samples.dtype, np.integer) and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    scaled = (values - low) / (high - low) * 255.0 if high > low else np.zeros_like(values)
    return np.round(scaled).astype(np.uint8)
