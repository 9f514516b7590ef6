"""Superpixels part a photo of any size, follow its colours, and come out the same each time."""

import hashlib

import numpy as np
import pytest
import torch
from retclip_reference import SuperpixelSettings
from retclip_reference.superpixels import Superpixels, superpixel_map

from retclip.types import Device, Image, Vocabulary

NOTHING = Vocabulary((), ())


def photo(pixels):
    return Image(pixels, hashlib.sha256(pixels.tobytes()).hexdigest())


def smooth(height, width):
    """A photo-like picture: two slow waves of colour."""
    y, x = np.mgrid[:height, :width]
    waves = (np.sin(y / height * 9), np.cos(x / width * 7), np.sin(y / height * 4 + x / width * 5))
    return ((np.stack(waves, axis=-1) + 1) * 127).astype(np.uint8)


def masks_of(pixels, **given):
    (found,) = Superpixels(SuperpixelSettings(**given), Device()).propose([photo(pixels)], NOTHING, [])
    return found


@pytest.mark.parametrize("size", [(90, 120), (61, 47), (200, 33)])
def test_the_masks_part_the_photo(size):
    found = masks_of(smooth(*size), count=40)
    assert found.masks.shape[1:] == size
    assert found.masks.dtype == torch.float32
    assert set(found.masks.unique().tolist()) == {0.0, 1.0}
    assert (found.masks.sum(dim=0) == 1).all()
    assert (found.masks.sum(dim=(1, 2)) > 0).all()
    assert found.objectness.tolist() == [1.0] * len(found)
    assert found.prompts is None


@pytest.mark.parametrize("count", [20, 100])
def test_there_are_about_as_many_as_asked_for(count):
    assert 0.6 * count <= len(masks_of(smooth(120, 160), count=count)) <= 1.4 * count


def test_a_large_photo_is_cut_on_a_smaller_grid():
    found = masks_of(smooth(100, 250), count=30, side=50)
    assert found.masks.shape[1:] == (20, 50)
    assert found.image_size == (100, 250)
    assert (found.masks.sum(dim=0) == 1).all()
    assert masks_of(smooth(40, 50), count=30, side=50).masks.shape[1:] == (40, 50)  # this one fits


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3)])
def test_a_tiny_photo_has_at_most_a_superpixel_per_pixel(size):
    found = masks_of(smooth(*size))
    assert 1 <= len(found) <= size[0] * size[1]
    assert (found.masks.sum(dim=0) == 1).all()


def test_the_same_photo_is_cut_the_same_way():
    settings = SuperpixelSettings(count=50)
    first, second = (superpixel_map(smooth(80, 100), settings) for _ in range(2))
    assert (first == second).all()
    assert np.unique(first).tolist() == list(range(first.max() + 1))  # no gaps


def test_a_batch_is_cut_photo_by_photo():
    pictures = [smooth(60, 80), smooth(30, 40)]
    together = Superpixels(SuperpixelSettings(count=20), Device()).propose(
        [photo(one) for one in pictures], NOTHING, []
    )
    for found, pixels in zip(together, pictures, strict=True):
        assert found.image_size == pixels.shape[:2]
        assert torch.equal(found.masks, masks_of(pixels, count=20).masks)


def test_superpixels_stop_where_the_colour_changes():
    pixels = np.full((60, 80, 3), (200, 30, 30), dtype=np.uint8)
    pixels[:, 37:] = (30, 60, 200)  # no multiple of the patches' width
    patches = superpixel_map(pixels, SuperpixelSettings(count=48, compactness=1, sigma=0))
    assert set(patches[:, :37].ravel().tolist()).isdisjoint(patches[:, 37:].ravel().tolist())


def test_compactness_makes_patches_squarer():
    """Patches that follow the waves of a picture have longer outlines than the squares of a grid."""
    loose, tight = (superpixel_map(smooth(60, 80), SuperpixelSettings(count=48, compactness=c)) for c in (1, 1000))
    assert outline(loose) > 1.1 * outline(tight)


def outline(patches):
    """Neighbouring pixels in different patches."""
    return int((np.diff(patches, axis=0) != 0).sum() + (np.diff(patches, axis=1) != 0).sum())
