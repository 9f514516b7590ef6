"""The backbone's promise: a cosine that can be worked out by hand, from a picture to the number."""

import hashlib

import numpy as np
import pytest
import torch
from retclip_reference import ColourTextureSettings
from retclip_reference.colour_texture import ColourTexture, surroundings, working_image
from scipy import ndimage

from retclip.types import Device, Image

# Bins of each group, in the order of the channels, with the default weights.
GROUPS = {
    "colour": 343, "fine_edges": 24, "coarse_edges": 24, "contrast": 25, "colour_around": 343, "edges_around": 24,
    "height": 12,
}  # fmt: skip
SILENT = dict.fromkeys([name for name in GROUPS if name != "colour"], 0.0)
EVERYTHING = torch.ones(1, 1, 1)


def backbone(**given):
    return ColourTexture(ColourTextureSettings(**given), Device())


def photo(pixels):
    return Image(np.ascontiguousarray(pixels, dtype=np.uint8), hashlib.sha256(pixels.tobytes()).hexdigest())


def halves(left, right, side=24):
    """A picture with a grey level on its left and another on its right."""
    pixels = np.full((side, side, 3), left, dtype=np.uint8)
    pixels[:, side // 2 :] = right
    return photo(pixels)


def noise(height, width, seed=0):
    return photo(np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8))


def vectors(one, image, masks=EVERYTHING):
    (features,) = one.dense_features([image])
    return one.segment_vectors(features, masks).vectors


def cosine(one, image, other):
    return float(vectors(one, image)[0] @ vectors(one, other)[0])


def parted(channels):
    """(d, ...) by group."""
    return dict(zip(GROUPS, channels.split(list(GROUPS.values())), strict=True))


def test_the_cosine_of_two_half_and_half_pictures_by_hand():
    """Colour alone: black/white against white/white share sqrt(1/2 * 1), against black/white all, whatever the side."""
    one = backbone(**SILENT)
    assert cosine(one, halves(0, 255), halves(255, 255)) == pytest.approx(0.5**0.5, abs=1e-4)
    assert cosine(one, halves(0, 255), halves(255, 0)) == pytest.approx(1, abs=1e-4)
    assert cosine(one, halves(0, 0), halves(255, 255)) == pytest.approx(0, abs=1e-4)


def test_two_groups_meet_by_their_weights():
    """Both pictures have the same heights, so that group says 1: (3 * sqrt(1/2) + 1 * 1) / 4."""
    one = backbone(**{**SILENT, "colour": 3.0, "height": 1.0})
    assert cosine(one, halves(0, 255), halves(255, 255)) == pytest.approx((3 * 0.5**0.5 + 1) / 4, abs=1e-4)


def test_all_groups_as_the_docstring_says():
    one, chosen = backbone(), ColourTextureSettings()
    first, second = halves(20, 230), noise(24, 24)
    wanted = 0.0
    means = [parted(features.grid.mean(dim=(1, 2))) for features in one.dense_features([first, second])]
    for name in GROUPS:
        wanted += getattr(chosen, name) * float((means[0][name] * means[1][name]).sqrt().sum())
    total = sum(getattr(chosen, name) for name in GROUPS)
    assert cosine(one, first, second) == pytest.approx(wanted / total, abs=1e-5)


def test_every_group_is_a_histogram_in_every_cell():
    (features,) = backbone().dense_features([noise(50, 70)])
    assert features.grid.dtype == torch.float32
    assert features.grid.shape[0] == sum(GROUPS.values()) == features.space.dim
    for name, group in parted(features.grid).items():
        assert group.min() >= 0, name
        torch.testing.assert_close(group.sum(dim=0), torch.ones(group.shape[1:]), atol=1e-4, rtol=0)


def test_vectors_are_of_unit_length_and_never_negative():
    masks = torch.rand(5, 9, 7, generator=torch.Generator().manual_seed(0))
    found = vectors(backbone(), noise(40, 60), masks)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5), atol=1e-5, rtol=0)


def test_pooling_over_a_union_is_the_mean_by_area_before_the_root():
    one = backbone()
    masks = torch.zeros(3, 8, 8)
    masks[0, :, :2], masks[1, 3:, 2:], masks[2] = 1, 1, 0
    masks[2] = masks[0] + masks[1]
    squares = vectors(one, halves(20, 230, side=48), masks) ** 2  # a histogram times its group's share
    areas = masks.sum(dim=(1, 2))
    assert areas.tolist() == [16, 30, 46]
    torch.testing.assert_close(areas[2] * squares[2], areas[0] * squares[0] + areas[1] * squares[1], atol=1e-4, rtol=0)
    assert (squares[0] - squares[1]).abs().max() > 0.05  # else the test says nothing


def test_an_empty_mask_is_uncovered_and_no_mask_is_no_vector():
    one = backbone()
    (features,) = one.dense_features([noise(20, 20)])
    found = one.segment_vectors(features, torch.stack([torch.zeros(4, 4), torch.ones(4, 4)]))
    assert found.covered.tolist() == [False, True]
    assert not found.vectors[0].any()
    assert one.segment_vectors(features, torch.zeros(0, 4, 4)).vectors.shape == (0, one.space.dim)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2000, 3000)])
def test_tiny_thin_and_huge_photos(size):
    one = backbone()
    image = noise(*size)
    (features,) = one.dense_features([image])
    height, width = features.grid.shape[1:]
    assert max(height, width) <= 160
    assert features.image_size == size
    assert features.stride == pytest.approx(max(size) / max(height, width))
    assert vectors(one, image).norm() == pytest.approx(1, abs=1e-5)


def test_surroundings_and_height_tell_equal_patches_apart():
    """Two grey patches are one colour; what lies around them and how high they lie is not."""
    pixels = np.full((60, 60, 3), 128, dtype=np.uint8)
    pixels[36:] = (20, 160, 30)
    masks = torch.zeros(2, 20, 20)
    masks[0, :3], masks[1, 8:11] = 1, 1
    for given, alike in ((SILENT, True), ({**SILENT, "height": 1.0}, False), ({**SILENT, "colour_around": 1.0}, False)):
        found = vectors(backbone(around=3, **given), photo(pixels), masks)
        assert (float(found[0] @ found[1]) > 0.99) is alike, given


def test_settings_make_the_space():
    """Vectors of other settings never meet: every setting is part of the space's identity."""
    assert backbone().space.id == backbone().space.id == backbone(grid=160).space.id
    fields = ColourTextureSettings.model_fields
    others = [backbone(**{name: 7}).space.id for name in fields]
    assert len({backbone().space.id, *others}) == len(fields) + 1
    assert backbone().space.backbone == "reference.colour_texture"


def test_it_has_no_text():
    assert backbone().text_vectors(["sky"]) is None


@pytest.mark.parametrize(("shape", "radius"), [((5, 12, 17), 2.0), ((3, 40, 9), 10.0), ((2, 1, 6), 1.5)])
def test_surroundings_are_a_gaussian_filter(shape, radius):
    histograms = np.random.default_rng(0).random(shape, dtype=np.float32)
    wanted = ndimage.gaussian_filter(histograms, (0, radius, radius), mode="nearest")
    assert surroundings(histograms, radius) == pytest.approx(wanted, abs=1e-4)  # weights of 16 bits


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1, 1), (3, 3)),
        ((48, 64), (48, 63)),  # 64 / 3 = 21.3 cells
        ((100, 101), (99, 102)),  # 33.7 cells: one column is repeated
        ((480, 300), (480, 300)),
        ((3000, 4000), (360, 480)),  # 160 cells of 3 pixels along the longer side
        ((1, 1000), (3, 480)),
    ],
)
def test_the_size_of_the_working_image(size, wanted):
    assert working_image(np.zeros((*size, 3), dtype=np.uint8), 160, 3).shape == (*wanted, 3)
