"""The layer of one photo: by hand, against a plain solution of the same problem, and without each of its rows."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.image_fusion import class_texts, fused_logits, fused_scores, image_fusion, without_each


def drawn(seed, segments=5, count=3, dim=4):
    """Retrieved segments of all but the last class, and texts."""
    generator = torch.Generator().manual_seed(seed)
    vectors = F.normalize(torch.randn(segments + count + 2, dim, generator=generator), dim=1)
    classes = torch.randint(0, count - 1, (segments,), generator=generator)
    return vectors[:segments], classes, vectors[segments : segments + count], vectors[segments + count :]


def test_by_hand_with_a_text_alone():
    none, nobody = torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)
    fitted = image_fusion(none, nobody, torch.tensor([[1.0, 0.0]]), 1.0)
    assert fused_logits(fitted, torch.tensor([[1.0, 0.0], [0.6, 0.8]])).tolist() == [[0.5], [pytest.approx(0.3)]]
    texts = torch.eye(2)
    fitted = image_fusion(none, nobody, texts, 1.0)
    scores = fused_scores(fitted, torch.tensor([[1.0, 0.0]]), 0.5)
    assert torch.allclose(scores, torch.softmax(torch.tensor([[1.0, 0.0]]), dim=1)), "W v is (0.5, 0), over t (1, 0)"


def test_by_hand_with_a_segment():
    # class 0: segment, text and their mixture are all (1, 0), three rows with a = 1/3, class 1: text (0, 1).
    # W of (1, 0): 3 * 1/3 / (3 * 1/3 + 1) = 1/2; of (0, 1): 1 / (1 + 1).
    fitted = image_fusion(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), torch.eye(2), 1.0)
    assert torch.allclose(fused_logits(fitted, torch.eye(2)), 0.5 * torch.eye(2).double())
    # without the segment two rows of class 0 are left, with the same a: 2/3 / (2/3 + 1) = 0.4
    left = without_each(fitted, torch.tensor([1.0, 0.0]), torch.arange(4))
    assert left.shape == (4, 2) and torch.allclose(left[0], torch.tensor([0.4, 0.0]).double())


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 10.0]))
def test_it_is_the_weighted_ridge_regression_and_each_row_can_be_left_out(seed, ridge):
    retrieved, classes, text, vectors = drawn(seed)
    fitted = image_fusion(retrieved, classes, text, ridge)
    rows = fitted.rows
    shown = sorted(set(classes.tolist()))
    labels = torch.tensor([*classes.tolist(), 0, 1, 2, *shown])
    assert len(rows) == len(labels) and torch.allclose(rows.norm(dim=1), torch.ones(len(rows)).double(), atol=1e-5)
    weight = (1 / torch.bincount(labels, minlength=3).double())[labels]
    target = F.one_hot(labels, 3).double()

    def solved(kept):
        x, y, a = rows[kept], target[kept], weight[kept, None]
        return torch.linalg.solve(x.T @ (a * x) + ridge * torch.eye(4).double(), x.T @ (a * y))  # (d, c)

    everything = torch.arange(len(rows))
    assert torch.allclose(fused_logits(fitted, vectors), vectors.double() @ solved(everything), atol=1e-8)
    left = without_each(fitted, vectors[0], everything)
    for row in range(len(rows)):
        wanted = vectors[0].double() @ solved(everything[everything != row])
        assert torch.allclose(left[row], wanted, atol=1e-8), row


def test_a_class_that_nothing_shows_is_told_by_its_text():
    retrieved, classes, text, _ = drawn(3)
    scores = fused_scores(image_fusion(retrieved, classes, text, 1.0), text[2:], 0.02)
    assert int(scores.argmax()) == 2 and float(scores.sum()) == pytest.approx(1.0)


def test_a_class_s_text_is_the_unit_mean_of_its_terms():
    text = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    means = class_texts(text, torch.tensor([0, 0, 1]), 2)
    assert torch.allclose(means, torch.tensor([[0.5**0.5, 0.5**0.5], [0.6, 0.8]]))
