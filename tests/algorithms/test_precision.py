"""Half precision is widened, and nothing is narrowed."""

import pytest
import torch

from retclip.algorithms.precision import at_least_float32


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_values_stay_and_only_half_precision_becomes_finer(given, wanted):
    values = torch.tensor([0.5, -3.0, 1024.0], dtype=given)
    widened = at_least_float32(values)
    assert widened.dtype == wanted and widened.tolist() == [0.5, -3.0, 1024.0]
