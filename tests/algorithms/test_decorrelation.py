"""Decorrelation: the worked example, its formula, and the cases in which it is the cosine distance."""

import pytest
import torch

from retclip.algorithms.decorrelation import decorrelated, decorrelation


def unit(*shape):
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(shape[0]))
    return torch.nn.functional.normalize(vectors, dim=1)


def distance(x, y, matrix):
    return 1 - decorrelated(x, matrix) @ decorrelated(y, matrix).T


def test_hand_worked():
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.8, 0.6]])
    even = decorrelation(torch.eye(2), 0.5)
    assert torch.allclose(even, torch.eye(2) * (4 / 3) ** 0.5)
    assert float(distance(x, y, even)) == pytest.approx(0.2)
    assert float(distance(x, y, decorrelation(x, 0.5))) == pytest.approx(0.4878525, abs=1e-6)


@pytest.mark.parametrize("count", [1, 3, 40])  # fewer than dimensions, and more
def test_as_the_formula_says(count):
    stored, x, y = unit(count, 5), unit(6, 5), unit(7, 5)
    moment = sum(torch.outer(v, v) for v in stored.double()) / count
    inverse = torch.linalg.inv(moment + 0.1 * moment.trace() / 5 * torch.eye(5, dtype=torch.float64))
    matrix = decorrelation(stored)
    assert matrix.dtype == torch.float32 and torch.equal(matrix, matrix.triu())
    assert torch.allclose((matrix @ matrix.T).double(), inverse, rtol=1e-4, atol=1e-5)
    for i, one in enumerate(x.double()):
        for j, other in enumerate(y.double()):
            wanted = 1 - one @ inverse @ other / ((one @ inverse @ one) * (other @ inverse @ other)).sqrt()
            assert float(distance(x, y, matrix)[i, j]) == pytest.approx(float(wanted), abs=1e-5)


def test_what_all_have_in_common_counts_little():
    common = torch.tensor([1.0, 0.0, 0.0])
    stored = torch.nn.functional.normalize(common + 0.1 * unit(30, 3), dim=1)
    matrix = decorrelation(stored)
    sides = torch.tensor([[0.0, 0.1, 0.0], [0.0, -0.1, 0.0]])
    near, far = torch.nn.functional.normalize(common + sides, dim=1).split(1)
    assert float(1 - near @ far.T) < 0.02 < 0.1 < float(distance(near, far, matrix))


def test_shrinkage_without_end_leaves_the_cosine():
    stored, x, y = unit(9, 4), unit(3, 4), unit(2, 4)
    assert torch.allclose(distance(x, y, decorrelation(stored, 1e6)), 1 - x @ y.T, atol=1e-5)
