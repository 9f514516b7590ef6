"""Counts in bands are those of the whole map."""

import numpy as np
import pytest

from retclip.algorithms import pixel_counts
from retclip.algorithms.pixel_counts import label_counts, label_sums, row_bands


def test_the_worked_examples():
    row = np.array([[0, 2, 2]], dtype=np.int32)
    assert label_counts(row, 4).tolist() == [1, 0, 2, 0]
    assert label_counts(row, 0).tolist() == [1, 0, 2], "a label beyond the count is counted, too"
    assert label_sums(row, np.array([[5, 1, 3]], dtype=np.uint8), 3).tolist() == [5.0, 0.0, 4.0]


@pytest.mark.parametrize("band", [1, 10, 23, 1000])
def test_bands_give_what_the_whole_map_gives(monkeypatch, band):
    monkeypatch.setattr(pixel_counts, "BAND", band)
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, (7, 10)).astype(np.int32)
    values = generator.integers(0, 256, (7, 10, 3)).astype(np.uint8)[..., 1]
    assert sorted(row for rows in row_bands(labels.shape) for row in range(7)[rows]) == list(range(7))
    assert label_counts(labels, 9).tolist() == [int((labels == n).sum()) for n in range(9)]
    assert label_sums(labels, values, 6).tolist() == [float(values[labels == n].sum()) for n in range(6)]


def test_a_map_without_pixels_has_counts_of_nothing():
    assert label_counts(np.zeros((0, 4), dtype=np.int32), 2).tolist() == [0, 0]
