"""Sums on a grid do not hang on their order, a Gaussian's weights lie on one, and every machine makes the same bits."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from retclip_reference import ColourTextureSettings, SuperpixelSettings
from retclip_reference.colour_texture import ColourTexture
from retclip_reference.fixed_point import gaussian, on_grid
from retclip_reference.scenes import cast_of
from retclip_reference.superpixels import superpixel_map

from retclip.data.scene_composition import compose
from retclip.types import Device, Image


def test_rounding_to_the_nearest_multiple_by_hand():
    assert on_grid([0.3, 0.125, 0.375, -0.3, 5.0], 2).tolist() == [0.25, 0.0, 0.5, -0.25, 5.0]
    assert on_grid(1 / 3, 10) == 341 / 1024


def test_sums_of_products_are_the_same_in_any_order():
    rng = np.random.default_rng(0)
    free, weights = rng.random(20000), rng.random(20000)
    kept = on_grid(free, 20) * on_grid(weights, 16)
    orders = [rng.permutation(20000) for _ in range(20)]
    assert len({float(np.cumsum((free * weights)[order])[-1]) for order in orders}) > 1, "else the test says nothing"
    assert len({float(np.cumsum(kept[order])[-1]) for order in orders}) == 1


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5, 10.0])
@pytest.mark.parametrize("bits", [16, 17])
def test_a_gaussian_keeps_a_flat_signal_and_its_derivative_answers_with_the_slope(sigma, bits):
    weights, slope = gaussian(sigma, bits), gaussian(sigma, bits, slope=True)
    x = np.arange(len(weights)) - len(weights) // 2
    assert weights.sum() == 1 and slope.sum() == 0
    assert (weights == weights[::-1]).all() and (slope == -slope[::-1]).all()
    exact = np.exp(-0.5 * (x / sigma) ** 2)
    assert weights == pytest.approx(exact / exact.sum(), abs=len(x) * 2.0**-bits)
    assert (slope * x).sum() == pytest.approx(1, abs=len(x) ** 2 * 2.0**-bits)
    for values in (weights, slope):
        assert (values * 2**bits == np.rint(values * 2**bits)).all()


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in arrays)).hexdigest()[:16]


def pattern(height, width, factor=7919):
    """(height, width, 3) uint8 that looks like noise, without a generator of random numbers."""
    numbers = np.arange(height * width * 3, dtype=np.int64)
    return (numbers * numbers % factor % 256).astype(np.uint8).reshape(height, width, 3)


def flat_tiles():
    """Equal colours side by side: ties, which the last bit would decide."""
    return np.repeat(np.repeat(pattern(5, 4), 23, axis=0), 31, axis=1)


def drawn(index):
    return compose(np.random.default_rng([1, index]), cast_of(index, 64, 96), 64, 96)[0]


def vectors():
    """(80, 795) float32; the masks' edges fit no cell's, and one mask is soft."""
    backbone, masks = ColourTexture(ColourTextureSettings(), Device()), torch.zeros(40, 101, 97)
    for n in range(40):
        masks[n, n : 2 * n + 3, n // 2 : 50 + n] = 1
    masks[7] = torch.from_numpy(pattern(101, 97)[..., 0] / np.float32(255))
    images = [Image(pixels, digest(pixels)) for pixels in (pattern(200, 310), flat_tiles())]
    features = backbone.dense_features(images)
    return torch.cat([backbone.segment_vectors(one, masks).vectors for one in features]).numpy()


def everything():
    """Digests of drawn pictures, of superpixels and of vectors."""
    pictures = [drawn(index) for index in range(12)]
    parts = (flat_tiles(), *pictures)
    patches = [superpixel_map(one, SuperpixelSettings(count=count)) for one in parts for count in (30, 300)]
    return " ".join((digest(*pictures), digest(*patches), digest(vectors())))


def test_the_same_bits_with_any_number_of_threads():
    before, found = torch.get_num_threads(), set()
    try:
        for threads in (1, 2, 3, 4):
            torch.set_num_threads(threads)
            found.add(digest(vectors()))
    finally:
        torch.set_num_threads(before)
    assert found == {"ab02056fb69e9429"}, "where a formula changed: raise VERSION of the backbone"


def test_the_same_bits_on_a_processor_that_can_less():
    """As far as one machine can play another: each library that computes here goes without the newer instructions."""
    newer = " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    older = {
        "NPY_DISABLE_CPU_FEATURES": newer, "OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41",
    }  # fmt: skip
    script = f"import runpy; print(runpy.run_path({str(Path(__file__))!r})['everything']())"
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, **older}, capture_output=True, text=True)
    assert done.stdout.strip() == everything(), done.stderr
