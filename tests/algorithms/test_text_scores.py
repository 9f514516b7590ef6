"""Text scores by hand, against loops, and what must not matter: the order and the number of a class's synonyms."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.text_scores import text_logits, text_scores

seeds = st.integers(0, 2**31)
scales = st.floats(0.1, 100.0)
owners = st.lists(st.integers(0, 3), min_size=1, max_size=9)  # row -> class, out of 4; some classes have no row


def unit(seed, *shape):
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(numbers, dim=-1)


def test_a_hand_worked_mask():
    vectors = torch.tensor([[1.0, 0.0]])
    text = torch.tensor([[0.6, 0.8], [0.0, 1.0], [0.8, -0.6]])
    rows = torch.tensor([0, 1, 0])
    # class 0 has cosines 0.6 and 0.8, of which 0.8 counts (the mean would be 0.7); class 1 has 0; times the scale 5
    torch.testing.assert_close(text_logits(vectors, text, rows, 2, 5.0), torch.tensor([[4.0, 0.0]]))
    # e^4 / (e^4 + e^0)
    share = math.exp(4) / (math.exp(4) + 1)
    torch.testing.assert_close(text_scores(vectors, text, rows, 2, 5.0), torch.tensor([[share, 1 - share]]))


def test_a_class_without_a_row_has_no_chance():
    vectors, text = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, -1.0]])
    assert text_logits(vectors, text, torch.tensor([1]), 3, 10.0).tolist() == [[-math.inf, -10.0, -math.inf]]
    # the opposite of the vector still beats a class that nobody described
    assert text_scores(vectors, text, torch.tensor([1]), 3, 10.0).tolist() == [[0.0, 1.0, 0.0]]


def slow_logits(vectors, text, owner, classes, scale):
    found = []
    for v in vectors.tolist():
        best = [-math.inf] * classes
        for t, c in zip(text.tolist(), owner, strict=True):
            best[c] = max(best[c], sum(a * b for a, b in zip(v, t, strict=True)))
        found.append([scale * one for one in best])
    return found


@settings(max_examples=80, deadline=None)
@given(owners, scales, seeds)
def test_agrees_with_loops(owner, scale, seed):
    vectors, text, rows = unit(seed, 3, 5), unit(seed + 1, len(owner), 5), torch.tensor(owner)
    before = vectors.clone(), text.clone(), rows.clone()
    logits, scores = (f(vectors, text, rows, 4, scale) for f in (text_logits, text_scores))
    for mine, theirs, row in zip(logits.tolist(), slow_logits(vectors, text, owner, 4, scale), scores, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-9)
        top = max(theirs)  # taken out, so that the plain exponentials do not overflow
        powers = [math.exp(one - top) for one in theirs]
        assert row.tolist() == pytest.approx([one / sum(powers) for one in powers], abs=1e-9)
    assert all(torch.equal(a, b) for a, b in zip(before, (vectors, text, rows), strict=True))


@settings(max_examples=60, deadline=None)
@given(owners, scales, seeds, st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_rows_do_not_matter(owner, scale, seed, shuffler):
    vectors, text, rows = unit(seed, 3, 5), unit(seed + 1, len(owner), 5), torch.tensor(owner)
    wanted = text_scores(vectors, text, rows, 4, scale)
    order = list(range(len(owner)))
    shuffler.shuffle(order)
    order += order[:2]  # a synonym told twice weighs no more
    torch.testing.assert_close(text_scores(vectors, text[order], rows[order], 4, scale), wanted)


@settings(max_examples=60, deadline=None)
@given(owners, scales, seeds, st.integers(0, 3))
def test_one_more_synonym_can_only_help_its_class(owner, scale, seed, lucky):
    vectors, text, rows = unit(seed, 3, 5), unit(seed + 1, len(owner), 5), torch.tensor(owner)
    more, owner_of_more = torch.cat([text, vectors[:1]]), torch.cat([rows, torch.tensor([lucky])])
    before = text_scores(vectors, text, rows, 4, scale)
    after = text_scores(vectors, more, owner_of_more, 4, scale)
    torch.testing.assert_close(after.sum(1), torch.ones(3, dtype=torch.float64))
    assert (after[:, lucky] >= before[:, lucky] - 1e-12).all()
    others = [c for c in range(4) if c != lucky]
    assert (after[:, others] <= before[:, others] + 1e-12).all()
    # the first vector met itself: its cosine is 1, the most there is
    assert text_logits(vectors, more, owner_of_more, 4, scale)[0, lucky].item() == pytest.approx(scale)


def test_no_mask_gives_no_row():
    rows = torch.tensor([0, 1])
    assert text_scores(torch.zeros(0, 5), torch.zeros(2, 5), rows, 2, 100.0).shape == (0, 2)


def test_autocast_does_not_blur_the_cosines():
    """Two classes whose cosines differ by less than bfloat16 can tell apart near 1."""
    vectors, text = torch.tensor([[1.0, 0.0]]), torch.nn.functional.normalize(torch.tensor([[1.0, 0.01], [1.0, 0.05]]))
    rows = torch.tensor([0, 1])
    with torch.autocast("cpu", torch.bfloat16):
        found = text_logits(vectors, text, rows, 2, 100.0)
    assert found.dtype == torch.float32
    assert torch.allclose(found, text_logits(vectors, text, rows, 2, 100.0))
    assert found[0, 0] > found[0, 1]
