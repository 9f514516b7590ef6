"""Photos decoded: upright to the pixel, every mode to 8-bit RGB by the rules of stores.md 5.3, identity, limits."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.images import decode
from retclip.errors import DataError

NOISE = np.random.default_rng(3).integers(0, 256, (6, 9, 3), dtype=np.uint8)
UPRIGHT = {  # what a viewer must do to a photo of each orientation, in numpy's words
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def saved(image, kind="PNG", orientation=None, **options):
    if orientation:
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def pixels_of(image, kind="PNG", **options):
    return decode(saved(image, kind, **options), "photo").pixels


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_deflate"})],
)
def test_each_exif_orientation_is_undone_to_the_pixel(kind, options, orientation):
    found = decode(saved(Pillow.fromarray(NOISE), kind, orientation=orientation, **options), "photo")
    assert np.array_equal(found.pixels, UPRIGHT[orientation](NOISE))
    assert found.orientation == orientation  # also of a TIFF, which Pillow turns itself


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_turned_after_it_is_decoded(mode, orientation):
    photo = Pillow.fromarray(NOISE).convert(mode)
    plain = pixels_of(photo, "JPEG")
    assert np.array_equal(pixels_of(photo, "JPEG", orientation=orientation), UPRIGHT[orientation](plain))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16"])
def test_a_mode_that_is_converted_is_turned_as_well(mode):
    grey = Pillow.fromarray(NOISE[..., 0])
    photo = Pillow.fromarray(NOISE[..., 0].astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    assert np.array_equal(pixels_of(photo, orientation=6), np.rot90(pixels_of(photo), -1))
    assert np.ptp(pixels_of(photo)) > 0


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for kind in ("PNG", "TIFF"):
        found = pixels_of(Pillow.fromarray(ramp), kind)
        assert np.array_equal(found[..., 0], np.round(ramp / 257).astype(np.uint8))
        assert np.unique(found).size == 256
        assert (found[..., 0] == found[..., 2]).all()


def test_a_dark_sixteen_bit_photo_stays_dark():
    dark = np.full((4, 4), 1285, dtype=np.uint16)  # 5 of 255; scaled by its own range it would be lost
    assert (pixels_of(Pillow.fromarray(dark)) == 5).all()


def test_big_endian_sixteen_bit_grey_is_the_same_photo():
    ramp = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    little = saved(Pillow.fromarray(ramp), "TIFF")
    big = saved(Pillow.frombytes("I;16B", (8, 8), ramp.astype(">u2").tobytes()), "TIFF")
    assert big != little
    assert np.array_equal(decode(big, "big").pixels, decode(little, "little").pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_in_which_zero_is_white_is_turned_round(dtype):
    ramp = np.linspace(0, np.iinfo(dtype).max, 64).astype(dtype).reshape(8, 8)
    black = saved(Pillow.fromarray(ramp), "TIFF")
    entry = (262).to_bytes(2, "little") + b"\x03\x00\x01\x00\x00\x00"  # PhotometricInterpretation, one short
    assert black.count(entry + b"\x01\x00") == 1
    white = black.replace(entry + b"\x01\x00", entry + b"\x00\x00")
    assert np.array_equal(decode(white, "white").pixels, 255 - decode(black, "black").pixels)


def test_a_float_tiff_is_scaled_by_its_own_range():
    ramp = np.linspace(-3.0, 7.0, 256, dtype=np.float32).reshape(16, 16)
    found = pixels_of(Pillow.fromarray(ramp), "TIFF")[..., 0]
    assert np.array_equal(found.ravel(), np.arange(256))


def test_a_flat_float_tiff_is_read():
    assert (pixels_of(Pillow.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF") == 0).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_float_that_is_not_finite_is_refused(value):
    samples = np.ones((4, 4), np.float32)
    samples[1, 2] = value
    with pytest.raises(DataError, match="finite"):
        pixels_of(Pillow.fromarray(samples), "TIFF")


def test_cmyk_without_a_profile_is_converted_plainly():
    inks = np.zeros((4, 4, 4), np.uint8)
    inks[:, :2, 0], inks[:, 2:, 3] = 255, 255  # left all cyan, right all black
    found = pixels_of(Pillow.frombytes("CMYK", (4, 4), inks.tobytes()), "TIFF")
    assert (found[:, :2] == (0, 255, 255)).all()
    assert (found[:, 2:] == 0).all()


def test_a_palette_keeps_its_colours():
    photo = Pillow.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    photo.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    assert pixels_of(photo).tolist() == [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]]


def test_a_transparent_palette_entry_is_white():
    photo = Pillow.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    photo.putpalette([10, 20, 30, 40, 50, 60])
    assert pixels_of(photo, transparency=1).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_a_transparent_colour_is_white():
    photo = Pillow.fromarray(np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8))
    assert pixels_of(photo, transparency=(1, 2, 3)).tolist() == [[[9, 8, 7], [255, 255, 255]]]


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 100), (51, 224)])
def test_alpha_is_composited_on_white(alpha, expected):
    layer = np.full((2, 2, 4), (100, 100, 100, alpha), np.uint8)
    assert (pixels_of(Pillow.fromarray(layer)) == expected).all()
    grey = Pillow.fromarray(layer[..., [0, 3]].copy(), mode="LA")
    assert (pixels_of(grey) == expected).all()


def test_one_bit_is_black_and_white():
    photo = Pillow.fromarray(np.array([[True, False], [False, True]]))
    for kind in ("PNG", "TIFF", "BMP"):
        assert pixels_of(photo, kind)[..., 1].tolist() == [[255, 0], [0, 255]]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})],
)
def test_the_first_frame_of_several_is_taken(kind, options):
    frames = [Pillow.fromarray(255 - NOISE), Pillow.fromarray(NOISE // 2)]
    found = pixels_of(Pillow.fromarray(NOISE), kind, save_all=True, append_images=frames, **options)
    assert np.array_equal(found, NOISE)
