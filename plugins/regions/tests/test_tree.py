"""Nested regions of a photo: a tree, of whole superpixels, by colours and by the backbone's features."""

import numpy as np
import pytest
import torch
from retclip_regions import TreeSettings
from retclip_regions.tree import RegionTree

from retclip.algorithms.mask_tree import leaves, summed_up
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager
from retclip.types import DenseFeatures, Device, FeatureSpace, Image, Vocabulary

SPACE = FeatureSpace("test", "none", "none", "none", 2)
WORDS = Vocabulary(("sky",), (False,))


def proposed(pixels, grid=None, **settings):
    image = Image(pixels, "0" * 64)
    grid = torch.zeros(2, 3, 4) if grid is None else grid
    return RegionTree(TreeSettings(**settings), Device()).propose(
        [image], WORDS, [DenseFeatures(grid, SPACE, image.size)]
    )[0]


def stripes(*greys, size=(40, 60)):
    """A photo of equal vertical stripes."""
    return np.repeat(np.array(greys, np.uint8), size[1] // len(greys))[None, :, None].repeat(size[0], 0).repeat(3, 2)


def test_it_keeps_its_contract():
    found = check_component(PluginManager.discover().find("proposer", "regions.tree"))
    assert [one for one in found if one.ok is False] == []
    assert {one.check for one in found if one.ok} >= {
        "masks",
        "alone as in a batch",
        "patches or objects",
        "a tree of masks",
    }


def test_a_tree_of_the_whole_photo(photo):
    found = proposed(photo(50, 70).pixels, count=20)
    masks, parents = found.masks, found.parents
    assert bool((masks.sum(0)[None] >= 1).all()) and set(masks.unique().tolist()) == {0, 1}
    below = leaves(parents)
    assert torch.equal(masks[below].sum(0), torch.ones(50, 70))  # the superpixels partition the photo
    assert torch.equal(summed_up(masks[below], parents), masks)
    assert parents.tolist().count(-1) == 1 and bool((masks[-1] == 1).all()) and len(masks) == 2 * int(below.sum()) - 1


def overlap(found, columns):
    """The best IoU of any mask with these columns."""
    wanted = torch.zeros(found.masks.shape[1:])
    wanted[:, columns] = 1
    both, either = (found.masks * wanted).sum((1, 2)), torch.maximum(found.masks, wanted).sum((1, 2))
    return float((both / either).max())


def test_what_is_alike_in_colour_becomes_a_region():
    found = proposed(stripes(20, 200, 200), count=60)
    assert overlap(found, slice(0, 20)) > 0.9 and overlap(found, slice(20, 60)) > 0.9


def test_what_is_alike_in_features_becomes_a_region_across_colours():
    grid = torch.zeros(2, 1, 60)
    grid[0, :, :40], grid[1, :, 40:] = 1.0, 1.0
    photo = stripes(20, 200, 200)  # by colour the right two thirds belong together, by features the left two
    by_colour, by_features = (proposed(photo, grid, count=60, features=weight) for weight in (0, 1000))
    assert overlap(by_colour, slice(20, 60)) > 0.9 and overlap(by_features, slice(0, 40)) > 0.8
    assert overlap(by_features, slice(20, 60)) < overlap(by_colour, slice(20, 60))


def test_padding_of_the_grid_is_left_out():
    """The photo covers the left half of the grid; what lies beside it says nothing of the photo."""
    grid = torch.zeros(2, 1, 8)
    grid[0, :, :2], grid[1, :, 2:] = 1.0, 1.0
    image = Image(stripes(90, 90), "0" * 64)
    proposer = RegionTree(TreeSettings(count=60, compactness=30, features=1000), Device())
    inside, everywhere = (
        proposer.propose([image], WORDS, [DenseFeatures(grid, SPACE, image.size, extent=(1.0, share))])[0]
        for share in (0.5, 1.0)
    )
    assert overlap(inside, slice(0, 30)) > 0.9 > overlap(everywhere, slice(0, 30))
    assert overlap(everywhere, slice(0, 15)) > 0.8


def test_the_graph_keeps_what_is_thin_apart():
    """A pole of three pixels before a noisy wall: compact superpixels of 150 pixels lose it, edges part it."""
    noise = np.random.default_rng(0).integers(-3, 4, (60, 90, 1))
    pixels = (np.full((60, 90, 3), 120) + noise).astype(np.uint8)
    pixels[:, 40:43] = 220
    compact, by_edges = (proposed(pixels, superpixels=name, count=36) for name in ("slic", "graph"))
    assert overlap(by_edges, slice(40, 43)) > 0.9 > 0.7 > overlap(compact, slice(40, 43))


@pytest.mark.parametrize("count", [1, 7])
def test_the_graph_has_at_most_so_many_leaves(photo, count):
    found = proposed(photo(50, 70).pixels, superpixels="graph", scale=1, speck=0, smallest=0, count=count)
    below = leaves(found.parents)
    assert int(below.sum()) == count and len(found) == 2 * count - 1
    assert torch.equal(found.masks[below].sum(0), torch.ones(50, 70))
    assert torch.equal(summed_up(found.masks[below], found.parents), found.masks)


def test_small_regions_are_left_to_larger_ones(photo):
    pixels = photo(50, 70).pixels
    found = proposed(pixels, count=50, smallest=0.1)
    below = leaves(found.parents)
    assert torch.equal(found.masks[below].sum(0), torch.ones(50, 70))
    assert torch.equal(summed_up(found.masks[below], found.parents), found.masks)
    assert len(found) < len(proposed(pixels, count=50))
    assert bool((found.masks[~below].mean((1, 2)) >= 0.1).all())


@pytest.mark.parametrize("superpixels", ["slic", "graph"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (900, 20)])
def test_photos_of_any_size(photo, size, superpixels):
    found = proposed(photo(*size).pixels, superpixels=superpixels)
    assert found.image_size == size and max(found.masks.shape[1:]) <= 400
    assert torch.equal(found.masks[leaves(found.parents)].sum(0), torch.ones(found.masks.shape[1:]))
