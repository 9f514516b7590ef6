"""The quick decoder of panoptic PNGs: the samples that Pillow finds, and Pillow's errors for what is damaged."""

import io

import numpy as np
import pytest
from PIL import Image

from retclip.data import rgb_png
from retclip.data.images import read_png
from retclip.errors import DataError
from retclip.limits import Limits

SAMPLES = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)


def png(samples=SAMPLES, **options):
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture(params=[True, False], ids=["quick", "pillow"])
def quick(request, monkeypatch):
    """Both decoders read everything below alike."""
    if request.param:
        pytest.importorskip("kornia_rs")
    else:
        monkeypatch.setattr(rgb_png, "decoder", None)
    return request.param


@pytest.mark.parametrize("shape", [(9, 7, 3), (1, 1, 3), (3, 2, 4), (5, 4)])
def test_the_samples_are_those_of_the_file(tmp_path, quick, shape):
    samples = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    (tmp_path / "map.png").write_bytes(png(samples))
    assert (read_png(tmp_path / "map.png") == samples).all()


def test_a_transparent_colour_changes_no_sample(tmp_path, quick):
    (tmp_path / "map.png").write_bytes(png(transparency=tuple(SAMPLES[0, 0].tolist())))
    assert (read_png(tmp_path / "map.png") == SAMPLES).all()


@pytest.mark.parametrize(
    "damage",
    [lambda c: c[:-20], lambda c: c[:60] + bytes([c[60] ^ 1]) + c[61:], lambda c: c[:40], lambda c: c[:20] + c[24:]],
    ids=["cut", "flipped", "header", "header cut"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, quick, damage):
    (tmp_path / "map.png").write_bytes(damage(png()))
    with pytest.raises(DataError, match=r"map\.png"):
        read_png(tmp_path / "map.png")


def test_limits_hold_before_anything_is_decoded(tmp_path, quick, monkeypatch):
    (tmp_path / "map.png").write_bytes(png())
    monkeypatch.setattr("retclip.data.images.current", lambda: Limits(image_pixels=10))
    with pytest.raises(DataError, match="megapixels"):
        read_png(tmp_path / "map.png")


def test_only_plain_colour_is_taken():
    pytest.importorskip("kornia_rs")
    assert rgb_png.png_size(png()) == (7, 9)
    assert rgb_png.png_size(png(SAMPLES[..., 0])) is None and rgb_png.png_size(b"no PNG") is None
    assert (rgb_png.rgb_samples(png(), (7, 9)) == SAMPLES).all()
    assert rgb_png.rgb_samples(png(), (9, 7)) is None, "not the size of the header"
