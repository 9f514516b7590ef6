"""Exact search: the same answer as one product and one sort, whatever the sizes and whatever the first pass rounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.store.index import top_k
from retclip.store.index.coarse_keys import Coarse, coarse_error
from retclip.store.index.top_k import exact_top_k


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Blocks and chunks so small that small cases have many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top_k, "BLOCK", 8)
        patch.setattr(top_k, "CHUNK", 64)
        patch.setattr(top_k, "SPARE", 10)
        yield


def reference(queries, keys, k, allowed=None, order=None) -> tuple[list[list[float]], list[list[int]]]:
    """A full product in float64, rounded to float32, sorted by value and then by order."""
    scores = (queries.double() @ keys.double().T).float().numpy()
    columns = np.arange(len(keys)) if allowed is None else np.flatnonzero(allowed)
    ranks = columns if order is None else order.numpy()[columns]
    best = [columns[np.lexsort([ranks, -row[columns]])][:k] for row in scores]
    return [row[chosen].tolist() for row, chosen in zip(scores, best, strict=True)], [row.tolist() for row in best]


def same_as_a_full_product(queries, keys, k, coarse=None, allowed=None, order=None) -> None:
    """To the last bit and in the same order, equal products included."""
    values, columns = exact_top_k(queries, keys, k, coarse, allowed, order)
    assert (values.tolist(), columns.tolist()) == reference(queries, keys, k, allowed, order)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 20), st.integers(0, 5), st.integers(0, 2**31), st.booleans())
def test_equal_to_one_product_and_one_sort(count: int, k: int, asked: int, seed: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randn(count, 5, generator=generator)
    if ties:  # many equal vectors, and different ones with equal products
        keys = keys.round()
    keys = keys / max(1.0, float(keys.norm(dim=1).max()))
    queries = torch.randn(asked, 5, generator=generator).round()
    order = torch.randperm(count, generator=generator)
    same_as_a_full_product(queries, keys, min(k, count))
    same_as_a_full_product(queries, keys, min(k, count), order=order)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 400), st.integers(1, 9), st.integers(0, 2**31), st.floats(0.01, 1), st.booleans(), st.booleans()
)  # fmt: skip
def test_what_is_not_allowed_is_not_found_and_nothing_else_is_lost(count, k, seed, share, ties, coarse) -> None:
    """Few allowed keys are copied, of many the others' scores are masked: the answer is the same."""
    generator = torch.Generator().manual_seed(seed)
    keys = torch.nn.functional.normalize(torch.randn(max(1, count // 3) if ties else count, 6, generator=generator))
    keys = keys[torch.randint(0, len(keys), (count,), generator=generator)] if ties else keys
    queries = torch.nn.functional.normalize(torch.randn(3, 6, generator=generator))
    allowed = torch.rand(count, generator=generator) < share
    allowed[0] = True
    order, rounded = torch.randperm(count, generator=generator), Coarse.of(keys) if coarse else None
    same_as_a_full_product(queries, keys, min(k, int(allowed.sum())), rounded, allowed, order)


@pytest.mark.parametrize("coarse", [False, True])
def test_more_equal_vectors_than_any_list_of_candidates_holds(coarse: bool) -> None:
    """Blank crops all have one vector. Which of them come is told by the order, not by what was multiplied first."""
    one = torch.nn.functional.normalize(torch.randn(2, 16, generator=torch.Generator().manual_seed(0)))
    keys = one[torch.arange(300) % 2]
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    for k in (1, 40, 200, 300):
        same_as_a_full_product(one, keys, k, Coarse.of(keys) if coarse else None, order=order)


def test_a_program_that_wants_quick_products_gets_exact_answers_all_the_same() -> None:
    """Autocast, and torch's setting by which float32 products may be made of rounded numbers."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(500, 64, generator=generator))
    queries = torch.nn.functional.normalize(torch.randn(5, 64, generator=generator))
    before = torch.get_float32_matmul_precision()
    try:
        for precision in ("highest", "high", "medium"):
            torch.set_float32_matmul_precision(precision)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found = exact_top_k(queries, keys, 9)
            assert (found[0].tolist(), found[1].tolist()) == reference(queries, keys, 9)
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_setting_of_one_backend_alone_is_no_error() -> None:
    """torch refuses to name its precision once both ways to set it were used."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(500, 64, generator=generator))
    queries = torch.nn.functional.normalize(torch.randn(5, 64, generator=generator))
    before = torch.backends.mkldnn.matmul.fp32_precision
    try:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        values, columns = exact_top_k(queries, keys, 9)
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before
    assert (values.tolist(), columns.tolist()) == reference(queries, keys, 9)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 20), st.integers(1, 5), st.integers(0, 2**31), st.sampled_from([1.0, 0.01]))
def test_a_coarse_first_pass_loses_nothing(count: int, k: int, asked: int, seed: int, spread: float) -> None:
    """With a small spread all keys lie so near each other that bfloat16 cannot tell them apart."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(1, 16, generator=generator)
    keys = torch.nn.functional.normalize(centre + spread * torch.randn(count, 16, generator=generator), dim=1)
    queries = torch.nn.functional.normalize(centre + spread * torch.randn(asked, 16, generator=generator), dim=1)
    same_as_a_full_product(queries, keys, min(k, count), Coarse.of(keys), order=torch.arange(count).flip(0))


@pytest.mark.parametrize("dim", [8, 768])
def test_the_error_bound_holds(dim: int) -> None:
    """The worst of a million scores stays within it, and it is not so wide that it says nothing."""
    generator = torch.Generator().manual_seed(0)
    one = torch.nn.functional.normalize(torch.randn(1000, dim, generator=generator), dim=1)
    other = torch.nn.functional.normalize(one + 0.1 * torch.randn(1000, dim, generator=generator), dim=1)
    rough = (one.bfloat16() @ other.bfloat16().T).float()
    bound = coarse_error(rough, (one - one.bfloat16().float()).norm(dim=1)[:, None], Coarse.of(other).rounding, dim)
    assert ((rough - one @ other.T).abs() < bound).all()
    assert bound.max() < 0.02
