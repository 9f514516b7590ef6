"""Exact search: the same answer as one product and one sort, whatever the sizes and whatever the first pass rounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.store.vectors import resident, top_k
from retclip.store.vectors.resident import ResidentIndex
from retclip.store.vectors.top_k import Coarse, coarse_error, exact_top_k


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Blocks and chunks so small that small cases have many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top_k, "BLOCK", 8)
        patch.setattr(top_k, "CHUNK", 64)
        patch.setattr(top_k, "SPARE", 10)
        patch.setattr(resident, "COARSE_FROM", 64)
        yield


def same_as_a_full_product(queries: torch.Tensor, keys: torch.Tensor, k: int, coarse: Coarse | None) -> None:
    values, columns = exact_top_k(queries, keys, k, coarse)
    scores = queries @ keys.T
    truth = scores.topk(k, dim=1).values
    torch.testing.assert_close(values, truth, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(scores.gather(1, columns), truth, atol=1e-6, rtol=1e-5)
    assert all(len(set(row.tolist())) == k for row in columns), "no column twice"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 20), st.integers(0, 5), st.integers(0, 2**31), st.booleans())
def test_equal_to_one_product_and_one_sort(count: int, k: int, asked: int, seed: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randn(count, 5, generator=generator)
    if ties:  # many equal scores: which of them come is free, their values are not
        keys = keys.round()
    queries = torch.randn(asked, 5, generator=generator).round()
    same_as_a_full_product(queries, keys, min(k, count), None)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 20), st.integers(1, 5), st.integers(0, 2**31), st.sampled_from([1.0, 0.01]))
def test_a_coarse_first_pass_loses_nothing(count: int, k: int, asked: int, seed: int, spread: float) -> None:
    """With a small spread all keys lie so near each other that bfloat16 cannot tell them apart."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.randn(1, 16, generator=generator)
    keys = torch.nn.functional.normalize(centre + spread * torch.randn(count, 16, generator=generator), dim=1)
    queries = torch.nn.functional.normalize(centre + spread * torch.randn(asked, 16, generator=generator), dim=1)
    same_as_a_full_product(queries, keys, min(k, count), Coarse.of(keys))


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


def test_the_index_uses_its_coarse_copy_only_while_it_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    import uuid

    from retclip.store.vectors import PAYLOAD, Points

    monkeypatch.setattr(resident, "bfloat16_is_faster", lambda *_: True)
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [uuid.UUID(int=n + 1) for n in range(200)]
    payload = np.zeros((200, len(PAYLOAD)), dtype=np.int64)
    index = ResidentIndex(8)
    index.upsert(Points(ids, vectors, payload))
    asked = torch.from_numpy(vectors[:3])
    assert index.search(asked, 1).ids[:, 0].tolist() == ids[:3]
    index.delete(ids[:1])
    assert index.search(asked, 1).ids[1:, 0].tolist() == ids[1:3]
    assert index.search(asked, 1).ids[0, 0] != ids[0]
    payload[:, PAYLOAD.index("rev")] = 1
    index.upsert(Points(ids[:1], vectors[:1], payload[:1]))
    assert index.search(asked, 1).ids[:, 0].tolist() == ids[:3]
