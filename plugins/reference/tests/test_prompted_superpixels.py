"""Marked objects as superpixels: a point takes its own, a box those that lie mostly inside."""

import hashlib

import numpy as np
import pytest
import torch
from retclip_reference import PromptedSuperpixelSettings
from retclip_reference.prompted_superpixels import PromptedSuperpixels
from retclip_reference.superpixels import superpixel_map

from retclip.errors import DataError
from retclip.regions import Point, Region
from retclip.types import Device, Image, Vocabulary

FOX = Vocabulary(("fox",), (True,))


def photo(*regions, size=(40, 60)):
    """Four quarters of strong colours."""
    pixels = np.zeros((*size, 3), np.uint8)
    height, width = size[0] // 2, size[1] // 2
    for n, (y, x) in enumerate(((0, 0), (0, width), (height, 0), (height, width))):
        pixels[y : y + height, x : x + width] = ((250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0))[n]
    return Image(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), "quarters.png", None, regions)


def masks_of(image, vocabulary=FOX, **given):
    settings = PromptedSuperpixelSettings(**{"count": 4, "compactness": 1.0, "sigma": 0.0, **given})
    (found,) = PromptedSuperpixels(settings, Device()).propose([image], vocabulary, [])
    return found


def quarters(*chosen, size=(40, 60)):
    mask = np.zeros(size, np.float32)
    for y, x in chosen:
        mask[y * size[0] // 2 : (y + 1) * size[0] // 2, x * size[1] // 2 : (x + 1) * size[1] // 2] = 1
    return torch.from_numpy(mask)


def test_the_photo_is_cut_into_its_quarters():
    assert superpixel_map(photo().pixels, PromptedSuperpixelSettings(count=4, compactness=1.0, sigma=0.0)).max() == 3


@pytest.mark.parametrize(
    ("region", "chosen"),
    [
        (Region("fox", None, (Point(5, 5),)), [(0, 0)]),
        (Region("fox", None, (Point(59.9, 39.9),)), [(1, 1)]),
        (Region("fox", None, (Point(5, 5), Point(55, 5))), [(0, 0), (0, 1)]),
        (Region("fox", (0, 0, 60, 20)), [(0, 0), (0, 1)]),
        (Region("fox", (0, 0, 31, 20)), [(0, 0)]),  # a column of the second is not half of it
        (Region("fox", (0, 0, 60, 40), (Point(5, 35, positive=False),)), [(0, 0), (0, 1), (1, 1)]),
        (Region("fox", (0, 0, 30, 20), (Point(55, 35),)), [(0, 0), (1, 1)]),
        (Region("fox", None, (Point(5, 5), Point(6, 6, positive=False))), [(0, 0)]),  # both on one: it stays
    ],
)
def test_what_is_marked_is_taken(region, chosen):
    found = masks_of(photo(region))
    assert (found.prompts, found.objectness.tolist(), found.image_size) == (("fox",), [1.0], (40, 60))
    assert torch.equal(found.masks[0], quarters(*chosen))


def test_a_box_smaller_than_the_superpixels_is_its_rectangle():
    found = masks_of(photo(Region("fox", (10.5, 4, 14, 8))))
    assert found.masks[0, 4:8, 10:14].all() and found.masks.sum() == 16


def test_how_much_must_lie_inside_is_a_setting():
    region = Region("fox", (0, 0, 60, 15))  # three quarters of the upper two
    assert torch.equal(masks_of(photo(region), inside=0.75).masks[0], quarters((0, 0), (0, 1)))
    assert masks_of(photo(region), inside=0.8).masks.sum() == 60 * 15


def test_on_a_smaller_grid_the_same_is_taken():
    found = masks_of(photo(Region("fox", None, (Point(150, 90),)), size=(100, 200)), side=50)
    assert found.masks.shape == (1, 25, 50) and found.masks[0, 20, 40] == 1 and found.masks[0, 5, 5] == 0


def test_only_what_is_asked_for_in_the_order_it_was_marked():
    image = photo(Region("owl", (0, 0, 30, 20)), Region("fox", None, (Point(55, 35),)), Region("fox", (0, 0, 30, 20)))
    assert masks_of(image).prompts == ("fox", "fox")
    assert torch.equal(masks_of(image).masks[0], quarters((1, 1)))
    assert len(masks_of(image, Vocabulary(("elk",), (True,)))) == 0


def test_a_photo_in_which_nothing_is_marked_is_refused():
    with pytest.raises(DataError, match=r"boxes or points for image 'quarters\.png'; got none; mark objects"):
        masks_of(photo())
