"""The checks at the doors: what passes, what is refused, and that the message says which axis and which length."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.errors import ConfigError, ShapeError
from retclip.shapes import check_choice, check_flags, check_range, check_shape

both = pytest.mark.parametrize("make", [np.array, torch.tensor], ids=["numpy", "torch"])
shapes = st.lists(st.integers(0, 4), max_size=4)


@pytest.mark.parametrize("make", [np.zeros, torch.zeros], ids=["numpy", "torch"])
def test_lengths_are_learnt_and_then_held(make):
    sizes = check_shape("image", make((4, 5, 3)), "H W 3")
    assert sizes == {"H": 4, "W": 5}
    check_shape("mask", make((7, 4, 5)), "n H W", sizes)
    with pytest.raises(ShapeError, match=r"mask with axes \(n H W\) where W is 5; got shape \(7, 4, 6\)"):
        check_shape("mask", make((7, 4, 6)), "n H W", sizes)
    with pytest.raises(ShapeError, match="make axis 3 of length 3"):
        check_shape("image", make((4, 5, 4)), "H W 3")
    with pytest.raises(ShapeError, match="give 2 axes"):
        check_shape("vectors", make((4,)), "n d")


def test_known_lengths_are_not_changed_and_a_letter_means_one_length():
    known = {"n": 2}
    assert check_shape("vectors", np.zeros((2, 8)), "n d", known) == {"n": 2, "d": 8}
    assert known == {"n": 2}
    assert check_shape("square", np.zeros((3, 3)), "n n") == {"n": 3}
    with pytest.raises(ShapeError):
        check_shape("square", np.zeros((3, 4)), "n n")
    assert check_shape("scalar", np.zeros(()), "") == {}


@settings(max_examples=80, deadline=None)
@given(shapes, shapes)
def test_a_shape_is_accepted_by_exactly_its_own_lengths(shape, other):
    array, letters = np.zeros(shape), "abcd"[: len(other)]
    lengths = dict(zip(letters, other, strict=True))
    if shape == other:
        assert check_shape("x", array, " ".join(letters), lengths) == lengths
        check_shape("x", array, " ".join(map(str, other)))
    else:
        for axes, known in ((" ".join(letters), lengths), (" ".join(map(str, other)), None)):
            with pytest.raises(ShapeError):
                check_shape("x", array, axes, known)


@both
def test_the_range_includes_its_ends_and_nothing_else(make):
    check_range("scores", make([0.0, 0.5, 1.0]), 0.0, 1.0)
    for bad in (1.0001, -0.0001, np.nan, np.inf, -np.inf):
        with pytest.raises(ShapeError, match=r"scores with finite values in \[0, 1\]"):
            check_range("scores", make([0.5, bad, 0.5]), 0.0, 1.0)


@both
def test_an_empty_array_has_no_value_out_of_range(make):
    check_range("scores", make([]), 0.0, 1.0)


@both
def test_flags_are_bool_and_not_numbers_that_look_like_it(make):
    check_flags("covered", make([True, False]))
    for numbers in ([1, 0], [1.0, 0.0]):
        with pytest.raises(ShapeError, match="covered of dtype bool; got"):
            check_flags("covered", make(numbers))


def test_a_word_is_one_of_those_it_may_be():
    check_choice("form", "arithmetic", {"arithmetic": 1, "geometric": 2})
    for wrong in ("Arithmetic", "arith", "", None, 1):
        with pytest.raises(ConfigError, match="form to be one of arithmetic, geometric; got"):
            check_choice("form", wrong, ("arithmetic", "geometric"))
