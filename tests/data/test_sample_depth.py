"""Samples of more than 8 bits keep their order and their range."""

from __future__ import annotations

import numpy as np
import pytest

from retclip.data.sample_depth import eight_bit
from retclip.errors import DataError


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        (np.array([[0, 257, 32896, 65535]], np.uint16), [[0, 1, 128, 255]]),  # 65535 / 255 = 257
        (np.array([[0, 100_000]], np.int32), [[0, 255]]),
        (np.array([[-1.0, 0.0, 1.0]], np.float32), [[0, 128, 255]]),
        (np.array([[0.25, 0.25]], np.float32), [[0, 0]]),
    ],
    ids=["the full range of 16 bits", "wider integers by their own", "floats by their own", "one value is black"],
)
def test_samples_are_scaled_and_never_cut_off(samples, wanted):
    assert eight_bit(samples, "a.tif").tolist() == wanted


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused_with_the_photo(value):
    with pytest.raises(DataError, match=r"a\.tif"):
        eight_bit(np.array([[0.0, value]]), "a.tif")
