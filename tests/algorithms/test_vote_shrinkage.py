"""What is left of a vote's weight by class: by hand, against a count in a loop, and where nobody votes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.vote_shrinkage import vote_shrinkage

CLASSES = 4


def test_the_worked_example():
    classes = torch.tensor([[0, 0, 0, 1, 0, 0, 1, 0]])
    assert vote_shrinkage(classes, classes >= 0, 3, 2.0).tolist() == [[0.75, 0.5, 0.0]]
    assert vote_shrinkage(classes, classes >= 0, 3, agreement=True).tolist() == [[0.75] * 3]
    assert vote_shrinkage(classes, classes >= 0, 3, 2.0, True).tolist() == [[0.5625, 0.375, 0.0]]


def test_without_neighbours_nothing_is_left():
    nobody = torch.full((2, 3), -1)
    assert vote_shrinkage(nobody, nobody >= 0, CLASSES, agreement=True).tolist() == [[0.0] * CLASSES] * 2
    assert vote_shrinkage(nobody, nobody >= 0, CLASSES, 1.0).tolist() == [[0.0] * CLASSES] * 2
    assert vote_shrinkage(nobody[:, :0], nobody[:, :0] >= 0, CLASSES, 1.0).tolist() == [[0.0] * CLASSES] * 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-1, CLASSES - 1), st.booleans()), min_size=1, max_size=9),
    st.one_of(st.just(0.0), st.floats(0.1, 20)),
    st.booleans(),
)
def test_it_agrees_with_counting(row, pseudo, agreement):
    classes = torch.tensor([[label for label, _ in row]])
    valid = torch.tensor([[label >= 0 and votes for label, votes in row]])
    left = vote_shrinkage(classes, valid, CLASSES, pseudo, agreement)[0].tolist()
    counts = [sum(1 for label, votes in row if label == c and votes) for c in range(CLASSES)]
    for c, count in enumerate(counts):
        wanted = count / (count + pseudo) if pseudo else float(sum(counts) > 0)
        assert left[c] == pytest.approx(wanted * (max(counts) / max(1, sum(counts)) if agreement else 1))
