"""Each slice for itself: the same answer as a full product and a sort of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.store.index import top_k_per_slice
from retclip.store.index.coarse_keys import Coarse
from retclip.store.index.top_k_per_slice import exact_top_k_per_slice


def reference(queries, keys, k, rows, order) -> tuple[list[list[float]], list[list[int]]]:
    """The k best of those rows in float64, rounded to float32, by value and then by order; then -inf and -1."""
    scores = (queries.double() @ keys.double().T).float().numpy()
    best = [rows[np.lexsort([order.numpy()[rows], -row[rows]])][:k] for row in scores]
    missing = max(0, k - len(rows))
    values = [row[chosen].tolist() + [-np.inf] * missing for row, chosen in zip(scores, best, strict=True)]
    return values, [chosen.tolist() + [-1] * missing for chosen in best]


@pytest.mark.parametrize("coarse", [False, True])
def test_each_slice_for_itself_by_one_product(coarse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large and small slices, some left out, some rows hidden, many ties, more candidates than a first pass keeps."""
    monkeypatch.setattr(top_k_per_slice, "SPAN", 90)
    monkeypatch.setattr(top_k_per_slice, "GAP", 10)
    monkeypatch.setattr(top_k_per_slice, "CROWDED", 4)

    @settings(max_examples=120, deadline=None)
    @given(
        st.integers(1, 400), st.integers(1, 9), st.integers(1, 6), st.integers(0, 4), st.integers(0, 2**31),
        st.sampled_from([1.0, 0.9, 0.1]), st.sampled_from([1, 4, 40]),
    )  # fmt: skip
    def check(count, labels, k, asked, seed, share, ties) -> None:
        generator = torch.Generator().manual_seed(seed)
        keys = torch.nn.functional.normalize(torch.randn(count, 6, generator=generator))
        keys = keys[torch.randint(0, max(1, count // ties), (count,), generator=generator)]
        queries = torch.nn.functional.normalize(torch.randn(asked, 6, generator=generator))
        cuts = sorted(torch.randint(0, count + 1, (labels,), generator=generator).tolist())
        slices = [slice(*pair) for pair in zip([0, *cuts], [*cuts, count], strict=True)][::2]
        allowed = torch.rand(count, generator=generator) < share
        order, rounded = torch.randperm(count, generator=generator), Coarse.of(keys) if coarse else None
        mask = None if share == 1 else allowed
        values, columns = exact_top_k_per_slice(queries, keys, k, slices, rounded, mask, order)
        assert values.shape == columns.shape == (asked, len(slices), k)
        for number, part in enumerate(slices):
            rows = np.arange(part.start, part.stop)
            rows = rows if mask is None else rows[allowed.numpy()[rows]]
            wanted = reference(queries, keys, k, rows, order)
            assert (values[:, number].tolist(), columns[:, number].tolist()) == wanted

    check()


def test_no_slice_at_all() -> None:
    values, columns = exact_top_k_per_slice(torch.eye(3), torch.eye(3), 2, [])
    assert values.shape == columns.shape == (3, 0, 2)


def test_only_what_may_still_be_among_the_best_is_scored_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounded keys leave candidates within 2e of the k-th best; once that is known exactly, those within e of it."""
    generator = torch.Generator().manual_seed(3)
    keys = torch.nn.functional.normalize(torch.randn(4000, 64, generator=generator))
    queries = torch.nn.functional.normalize(torch.randn(8, 64, generator=generator))
    scored, exactly = [], top_k_per_slice.rescored
    found, candidates = [], top_k_per_slice._Search.candidates

    def counted(queries, keys, rows, *rest):
        scored.append(len(rows))
        return exactly(queries, keys, rows, *rest)

    monkeypatch.setattr(top_k_per_slice, "rescored", counted)
    collect = lambda *asked: found.append(candidates(*asked)) or found[-1]  # noqa: E731
    monkeypatch.setattr(top_k_per_slice._Search, "candidates", collect)
    slices = [slice(0, 1500), slice(1500, 4000)]
    exact_top_k_per_slice(queries, keys, 5, slices, Coarse.of(keys))
    likely, rest = scored
    assert likely >= 8 * 2 * 5  # k of each query in each slice
    assert likely + rest < len(found[0].rows)
