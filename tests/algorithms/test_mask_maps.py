"""A map of masks on pixels: by hand, and what interpolation gives each mask for itself."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms import mask_maps
from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.algorithms.mask_maps import map_bands, owner_map
from retclip.types import MaskMap

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))
COUNT = 4


def maps(size, seed):
    """A map of regions of a few cells, mask 3 nowhere."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(-1, COUNT - 1, ((size[0] + 1) // 2, (size[1] + 1) // 2), generator=generator)
    return MaskMap(coarse.repeat_interleave(2, 0).repeat_interleave(2, 1)[: size[0], : size[1]], COUNT)


def spread(masks, size):
    """(n, H, W): the bands' probabilities, each at its mask."""
    rows = []
    for owners, shares in map_bands(masks, size):
        dense = torch.zeros(masks.count + 1, *owners.shape[1:])
        rows.append(dense.scatter_(0, owners % (masks.count + 1), torch.where(owners >= 0, shares, 0.0))[:-1])
    return torch.cat(rows, dim=1)


def test_the_worked_example():
    ((owners, shares),) = map_bands(MaskMap(torch.tensor([[0, 1]]), 2), (1, 4))
    first = torch.where(owners == 0, shares, 0.0).sum(0)
    assert first.tolist() == [[1.0, 0.75, 0.25, 0.0]]
    assert owner_map(MaskMap(torch.tensor([[0, 1]]), 2), (1, 4)).tolist() == [[0, 0, 1, 1]]


def test_no_mask_stands_twice_at_a_pixel():
    ((owners, _),) = map_bands(maps((6, 5), 0), (9, 11))
    for first in range(4):
        for second in range(first):
            assert not ((owners[first] == owners[second]) & (owners[first] >= 0)).any()


@settings(max_examples=100, deadline=None)
@given(sizes, sizes, st.integers(0, 1000))
def test_the_numbers_are_those_of_interpolation(cells, pixels, seed):
    """To the last bits, in which processors and small maps differ."""
    masks = maps(cells, seed)
    wanted = pixel_probabilities(masks, torch.arange(COUNT), pixels)
    assert torch.allclose(spread(masks, pixels), wanted, atol=2e-6, rtol=0)
    clear = ((wanted - 0.5).abs() > 1e-5).all(dim=0)
    owners = torch.where((wanted > 0.5).any(0), (wanted > 0.5).float().argmax(0), -1)
    assert torch.equal(owner_map(masks, pixels)[clear], owners[clear])


def test_bands_make_no_difference(monkeypatch):
    masks = maps((7, 9), 1)
    whole = owner_map(masks, (23, 31))
    monkeypatch.setattr(mask_maps, "BAND", 40)
    assert len(list(map_bands(masks, (23, 31)))) == 23 and torch.equal(owner_map(masks, (23, 31)), whole)
    cells = maps((23, 31), 2)
    assert len(list(map_bands(cells, (23, 31)))) == 23 and torch.equal(owner_map(cells, (23, 31)), cells.owners)
