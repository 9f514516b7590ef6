"""Sums of vectors: every change that could move a score is seen, and none that was not made."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from retclip.store.index.coarse_keys import Coarse
from retclip.store.index.row_sums import RowsDamaged, RowSums
from retclip.store.index.top_k import exact_top_k
from retclip.store.index.top_k_per_slice import exact_top_k_per_slice

DIM = 96
KEYS = torch.nn.functional.normalize(torch.randn(300, DIM, generator=torch.Generator().manual_seed(5)))


def bit(number: int):
    def flip(row: np.ndarray) -> None:
        row.view(np.uint32)[np.abs(row).argmax()] ^= np.uint32(1 << number)

    return flip


def rolled(row: np.ndarray) -> None:
    row[:] = np.roll(row, 1)


def swapped(row: np.ndarray) -> None:
    row[[3, 4]] = row[[4, 3]]


DAMAGE = {f"bit {number}": bit(number) for number in range(32)} | {
    "rolled": rolled, "two swapped": swapped, "negated": lambda row: np.negative(row, out=row),
    "no number": lambda row: row.fill(np.nan), "endless": lambda row: row.fill(np.inf), "zero": lambda row: row.fill(0),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_vector_answers_no_question(kind: str) -> None:
    """In all, in each class, in a few of the rows, and where so much is equally near that a finer product decides."""
    keys = KEYS.clone()
    coarse = Coarse.of(keys)
    DAMAGE[kind](keys[7].numpy())
    asked, few = torch.stack([KEYS[7], KEYS[50]]), torch.arange(300) < 30
    for known in (coarse, coarse.of_rows(torch.arange(300))):
        with pytest.raises(RowsDamaged, match="row 7"):
            exact_top_k(asked, keys, 3, known)
    with pytest.raises(RowsDamaged):
        exact_top_k(asked, keys, 3, Coarse.of(KEYS), few)
    with pytest.raises(RowsDamaged):
        exact_top_k_per_slice(asked, keys, 3, [slice(0, 40), slice(40, 300)], Coarse.of(KEYS))


def test_a_vector_that_damage_hides_from_the_finer_product_is_seen() -> None:
    """So many are equally near that the rounded keys leave too many candidates."""
    keys = KEYS[:1].repeat(300, 1)
    first, second = Coarse.of(keys), Coarse.of(keys)
    exact_top_k(KEYS[:1], keys, 3, Coarse.of(keys))
    keys[7] *= -1
    with pytest.raises(RowsDamaged):
        exact_top_k(KEYS[:1], keys, 3, first)
    with pytest.raises(RowsDamaged):
        exact_top_k_per_slice(KEYS[:1], keys, 1, [slice(0, 300)], second)


@pytest.mark.parametrize("dim", [1, 7, 96, 768, 2048])
def test_whole_vectors_are_never_called_damaged(dim: int) -> None:
    """However their sums are made: all at once, one by one, backwards, of numbers of very different size."""
    generator = torch.Generator().manual_seed(dim)
    keys = torch.nn.functional.normalize(torch.randn(500, dim, generator=generator) ** 9)
    sums = RowSums.of(keys)
    sums.hold_all(keys)
    assert sums.is_held.all()
    for row, key in enumerate(keys.double().numpy()):
        RowSums.kept(sums.sums).hold(np.array([row]), key[None])
    RowSums.kept(sums.sums[::-1].copy()).hold(np.arange(500), keys.double().numpy()[::-1])


def test_a_vector_is_held_to_its_sum_once() -> None:
    keys = KEYS.clone()
    sums = RowSums.of(keys)
    sums.hold_all(keys, slice(0, 10))
    keys[7] = 0
    sums.hold_all(keys, slice(0, 10))
    assert sums.is_held.tolist() == [True] * 10 + [False] * 290
    keys[12] = 0
    with pytest.raises(RowsDamaged, match=r"1 of 290 vectors .* row 12"):
        sums.hold_all(keys)
