"""A class has one colour, wherever and however it is written."""

import itertools

import pytest

from retclip.report.palette import colour


def test_the_colour_comes_from_the_name_alone_and_never_changes():
    assert colour("sky") == (235, 50, 19)  # pictures of different versions are compared side by side
    assert colour("sky") == colour("  SKY ") == colour("ｓｋｙ")
    assert colour("sky") != colour("sea")


@pytest.mark.parametrize("name", ["", "traffic light", "Straße", "空", "a" * 500])
def test_every_name_has_a_colour_far_from_grey(name):
    found = colour(name)
    assert all(isinstance(value, int) and 0 <= value <= 255 for value in found)
    assert max(found) >= 170  # light enough to be told from the black outline of the names
    assert max(found) - min(found) >= 100


def test_classes_of_one_picture_can_be_told_apart():
    names = ["sky", "grass", "water", "sand", "road", "mountain", "snow", "ball", "house", "tree", "car", "boat"]
    pairs = itertools.combinations([colour(name) for name in names], 2)
    assert all(sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 10 for one, other in pairs)
