"""Sizes worked out by hand, as detectron2 and FC-CLIP have them."""

import pytest

from retclip.algorithms.input_size import fitted_size, target_size


@pytest.mark.parametrize(
    ("size", "short", "long", "wanted"),
    [
        ((180, 320), 230, 1333, (230, 409)),  # 408.9
        ((480, 640), 800, 1333, (800, 1067)),  # 1066.7
        ((300, 900), 800, 1333, (444, 1333)),  # the longer side decides: 444.3
        ((1, 5000), 800, 1333, (1, 1333)),  # never nothing
    ],
)
def test_the_shorter_side_unless_the_longer_passes_its_limit(size, short, long, wanted):
    assert target_size(size, short, long) == wanted
    assert target_size(size[::-1], short, long) == wanted[::-1]


def test_fitting_takes_the_nearest_multiple():
    assert fitted_size((448, 597), 14) == (448, 602)  # 42.6 patches
    assert fitted_size((3, 25), 16) == (16, 32)  # at least one; 1.56 patches
