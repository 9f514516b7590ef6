"""Products of pairs: float64's, rounded once, the same for equal vectors wherever they stand."""

import pytest
import torch

from retclip.store.index.exact_products import COLLECTED, rescored


@pytest.mark.parametrize("dim", [1, 7, 768])
def test_products_are_those_of_float64_and_equal_where_the_vectors_are(dim):
    generator = torch.Generator().manual_seed(dim)
    keys, queries = torch.randn(40, dim, generator=generator), torch.randn(3, dim, generator=generator)
    keys[::3] = keys[1]  # fourteen equal ones
    rows = torch.randint(0, 3, (3 * COLLECTED + 5,), generator=generator)  # more than are collected at once
    columns = torch.randint(0, 40, rows.shape, generator=generator)
    found = rescored(queries, keys, rows, columns)
    wanted = (queries[rows].double() * keys[columns].double()).sum(1)
    assert torch.allclose(found.double(), wanted, rtol=2.0**-23, atol=1e-12)
    for row in range(3):
        equal = (rows == row) & ((columns % 3 == 0) | (columns == 1))
        assert int(equal.sum()) > 50 and len(found[equal].unique()) == 1
