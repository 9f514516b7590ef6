"""Tables of pixels for many settings are those of each setting's own merge: ties, zeros and rounding, too."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms import merge_tables as module
from retclip.algorithms.merge_tables import merge_tables
from retclip.algorithms.panoptic_merge import MergeThresholds, panoptic_merge


def slowly(probabilities, annotated, segments, best, candidates, threshold):
    """The same by comparing every product of every setting."""
    inside = np.zeros((*best.shape, segments), dtype=np.int64)
    won = np.zeros(best.shape, dtype=np.int64)
    for setting, flags in enumerate(candidates):
        masks = flags.nonzero()[0]
        if len(masks):
            owner = masks[(best[setting, masks][:, None] * probabilities[masks]).argmax(axis=0)]
            for n in masks:
                own = owner == n
                won[setting, n] = own.sum()
                shown = own & (probabilities[n] >= np.float32(threshold))
                inside[setting, n] = np.bincount(annotated[shown], minlength=segments)
    return inside, won


def check(*image):
    tables, (inside, won) = merge_tables(*image), slowly(*image)
    assert np.array_equal(tables.inside, inside)
    assert np.array_equal(tables.won, won)


def test_the_worked_example():
    probabilities = np.array([[0.9, 0.6], [0.2, 0.8]], dtype=np.float32)
    best = np.array([[1, 1], [1, 0.5]], dtype=np.float32)
    tables = merge_tables(probabilities, np.array([0, 1]), 2, best, np.ones((2, 2), dtype=bool), 0.5)
    assert tables.inside.tolist() == [[[1, 0], [0, 1]], [[1, 1], [0, 0]]]
    assert tables.won.tolist() == [[1, 1], [2, 0]]


numbers = st.integers(0, 4).map(lambda n: n / 4)  # equal products and zeros come often


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_small_images_with_ties_and_zeros(data):
    masks, pixels, tried = (data.draw(st.integers(1, most)) for most in (4, 6, 5))

    def drawn(rows, columns, values):
        return np.array([[data.draw(values) for _ in range(columns)] for _ in range(rows)])

    annotated = np.array([data.draw(st.integers(0, 2)) for _ in range(pixels)])
    best = drawn(tried, masks, numbers.filter(bool)).astype(np.float32)
    candidates = drawn(tried, masks, st.booleans())
    check(drawn(masks, pixels, numbers).astype(np.float32), annotated, 3, best, candidates, data.draw(numbers))


@pytest.mark.parametrize("few", [1, 8, 128])
@pytest.mark.parametrize("steps", [0, 50])
def test_large_images_however_the_settings_are_divided(few, steps, monkeypatch):
    """Soft discs and settings on a plane, as an ensemble of few weights makes them; steps: of rounded numbers."""
    monkeypatch.setattr(module, "FEW", few)
    rng = np.random.default_rng(3)
    centres, places = rng.random((6, 1, 2)), rng.random((1, 4000, 2))
    probabilities = 1 / (1 + np.exp(40 * (((places - centres) ** 2).sum(-1) - 0.1)))
    best = rng.random((300, 2)) @ rng.random((2, 6)) + 0.01
    if steps:
        probabilities, best = (np.maximum(np.round(values * steps), 1) / steps for values in (probabilities, best))
    probabilities, best = probabilities.astype(np.float32), best.astype(np.float32)
    check(probabilities, rng.integers(0, 4, 4000), 4, best, best > 0.3, 0.5)


def test_products_that_only_rounding_decides():
    """Ratios of scores that are those of probabilities but for the last bits."""
    rng = np.random.default_rng(5)
    probabilities = rng.uniform(0.1, 1, (2, 3000)).astype(np.float32)
    best = np.stack([np.ones(400), probabilities[0, :400] / probabilities[1, :400]], axis=1)
    near = np.concatenate([best * (1, 1 + n * 2.0**-24) for n in (-2, -1, 0, 1, 2)]).astype(np.float32)
    check(probabilities, rng.integers(0, 3, 3000), 3, near, np.ones(near.shape, dtype=bool), 0.5)


def test_products_near_the_smallest_float():
    rng = np.random.default_rng(6)
    probabilities = (rng.random((5, 200)) * 10.0 ** rng.integers(-45, 0, (5, 200))).astype(np.float32)
    best = (rng.random((200, 5)) * 10.0 ** rng.integers(-4, 0, (200, 5)) + 1e-5).astype(np.float32)
    check(probabilities, rng.integers(0, 3, 200), 3, best, best > 2e-3, 1e-3)


def test_tables_say_what_the_map_shows():
    torch.manual_seed(1)
    masks, scores, void = torch.rand(5, 20, 30), torch.rand(5, 3), torch.rand(5) / 2
    best = scores.max(dim=1).values
    candidates = best > void
    tables = merge_tables(
        masks.flatten(1).numpy(), np.zeros(600, dtype=np.int64), 1, best[None].numpy(), candidates[None].numpy(), 0.6
    )
    open_to_all = MergeThresholds(overlap_threshold=0.0, mask_threshold=0.6)
    _, mask_map, _ = panoptic_merge(masks, scores, void, torch.ones(3, dtype=torch.bool), thresholds=open_to_all)
    shown = [int((mask_map == n).sum()) for n in range(5)]
    assert tables.inside[0, :, 0].tolist() == shown
