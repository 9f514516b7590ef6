"""Textures: in range, the size asked for, different each time and from each other."""

import numpy as np
import pytest

from retclip.data.scene_textures import TEXTURES, between, noise


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 300), (256, 64)])
def test_a_texture_fills_the_picture_with_colours_in_range(name, height, width):
    first, second = (TEXTURES[name](np.random.default_rng(seed), height, width) for seed in (0, 1))
    assert first.shape == (height, width, 3) and first.dtype == np.float32
    assert 0 <= first.min() < first.max() <= 1
    assert not np.array_equal(first, second)
    assert np.array_equal(first, TEXTURES[name](np.random.default_rng(0), height, width))


def test_no_two_stuffs_look_alike():
    """The nearest pair still differs in mean colour or in contrast along rows and columns."""
    looks = []
    for texture in TEXTURES.values():
        found = np.stack([texture(np.random.default_rng(seed), 96, 96) for seed in range(4)])
        steps = [np.abs(np.diff(found, axis=axis)).mean() for axis in (1, 2)]
        looks.append([*found.mean(axis=(0, 1, 2)), *steps])
    apart = np.linalg.norm(np.array(looks)[:, None] - np.array(looks)[None], axis=-1)
    assert apart[~np.eye(len(looks), dtype=bool)].min() > 0.04


def test_noise_and_mixing_by_hand():
    rng = np.random.default_rng(0)
    found = noise(rng, 30, 50, 5, 7)
    assert found.shape == (30, 50) and found.min() >= 0 and found.max() <= 1 and found.std() > 0.1
    share = np.float32([[0, 1], [0.5, 0.25]])
    assert np.allclose(between(share, (0, 0, 0), (1, 0.5, 0))[1], [[0.5, 0.25, 0], [0.25, 0.125, 0]])
