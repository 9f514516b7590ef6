"""A photo's identity, the limits, arrays as photos, and label PNGs that keep their samples."""

import hashlib
import io
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.file_bytes import image_bytes
from retclip.data.images import file_digest, from_array, png_bytes, read_image, read_png, write_png
from retclip.errors import DataError
from retclip.limits import Limits

NOISE = np.random.default_rng(3).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_the_identity_of_a_file_is_the_sha256_of_its_bytes(tmp_path):
    path, copy = tmp_path / "a.png", tmp_path / "b.jpg"
    write_png(path, NOISE)
    copy.write_bytes(path.read_bytes())
    image = read_image(path)
    assert image.sha256 == file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_image(copy).sha256 == image.sha256
    assert image.uri == str(path)
    assert image.size == (6, 9)
    assert image.pixels.flags["C_CONTIGUOUS"]


def test_equal_pixels_in_other_bytes_are_another_file(tmp_path):
    Pillow.fromarray(NOISE).save(tmp_path / "a.png", compress_level=0)
    Pillow.fromarray(NOISE).save(tmp_path / "b.png", compress_level=9)
    first, second = read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png")
    assert np.array_equal(first.pixels, second.pixels)
    assert first.sha256 != second.sha256


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(image_pixels=53), "megapixels"),
        (Limits(image_side=8), "a side"),
        (Limits(image_aspect=1.4), "aspect"),
        (Limits(file_bytes=100), "100 bytes"),
    ],
)
def test_each_limit_is_kept(tmp_path, limits, reason):
    write_png(tmp_path / "a.png", NOISE)
    with pytest.raises(DataError, match=reason):
        read_image(tmp_path / "a.png", limits)


@pytest.mark.parametrize("side", [8_000, 60_000])  # above our limit, and above Pillow's own
def test_a_photo_whose_header_is_too_large_is_told_the_setting(tmp_path, side):
    write_png(tmp_path / "a.png", NOISE)
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"at most 50 megapixels.*limits\.image_pixels"):
        read_image(tmp_path / "a.png")


def test_a_photo_at_every_limit_is_read(tmp_path):
    write_png(tmp_path / "a.png", NOISE)
    limits = Limits(54, 9, 1.5, (tmp_path / "a.png").stat().st_size)
    assert np.array_equal(read_image(tmp_path / "a.png", limits).pixels, NOISE)
    assert len(image_bytes(tmp_path / "a.png", limits)) == limits.file_bytes


@pytest.mark.parametrize("read", [read_image, file_digest, read_png])
@pytest.mark.parametrize("name", ["absent.png", "n" * 300, "a\0b.png", "."])
def test_a_path_without_a_file_is_refused(tmp_path, read, name):
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in caught.value.expected


def test_an_empty_file_has_no_identity(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="empty"):
        file_digest(tmp_path / "a.png")


def test_an_array_is_an_image_of_its_own_identity():
    image = from_array(NOISE)
    assert np.array_equal(image.pixels, NOISE)
    assert image.sha256 == from_array(NOISE.copy()).sha256 != from_array(NOISE[::-1]).sha256
    assert from_array(NOISE.reshape(9, 6, 3)).sha256 != image.sha256  # the same bytes in another shape
    assert from_array(NOISE, "mine").uri == "mine"


def test_a_grey_array_and_a_view_become_rgb():
    grey = from_array(NOISE[..., 0])
    assert grey.pixels.shape == (6, 9, 3)
    assert (grey.pixels == NOISE[..., :1]).all()
    view = from_array(NOISE[:, ::-1])
    assert view.pixels.flags["C_CONTIGUOUS"]
    assert np.array_equal(view.pixels, NOISE[:, ::-1])


@pytest.mark.parametrize(
    "array",
    [
        NOISE.astype(np.float32), NOISE.astype(np.int64), NOISE[..., :2], np.zeros((6, 9, 4), np.uint8),
        np.zeros((0, 9, 3), np.uint8), np.zeros(9, np.uint8), np.zeros((1, 6, 9, 3), np.uint8), "photo.jpg", None,
    ],
)  # fmt: skip
def test_an_array_that_is_no_photo_is_refused(array):
    with pytest.raises(DataError, match="uint8 RGB"):
        from_array(array)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_label_png_comes_back_as_it_was_written(tmp_path, shape):
    labels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_png(tmp_path / "below" / "a.png", labels)
    assert np.array_equal(read_png(tmp_path / "below" / "a.png"), labels)
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["a.png"]  # no temporary file is left


def test_png_bytes_decode_to_the_same_pixels():
    assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(png_bytes(NOISE)))), NOISE)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_labels_keep_their_indices(tmp_path, bits):
    labels = np.random.default_rng(0).integers(0, min(2**bits, 200), (8, 8), dtype=np.uint8)
    image = Pillow.fromarray(labels, mode="P")
    image.putpalette([255 - i for i in range(256) for _ in range(3)])
    image.save(tmp_path / "a.png", bits=bits)
    found = read_png(tmp_path / "a.png")
    assert np.array_equal(found, labels)
    assert found.dtype == np.uint8


def test_one_bit_labels_are_zeros_and_ones(tmp_path):
    labels = np.eye(5, dtype=bool)
    Pillow.fromarray(labels).save(tmp_path / "a.png")
    found = read_png(tmp_path / "a.png")
    assert np.array_equal(found, labels.astype(np.uint8))
    assert found.dtype == np.uint8


def raw_png(depth, colour, body):
    """A 4 x 2 PNG by hand: Pillow cannot write these forms."""
    chunks = [(b"IHDR", bytes([0, 0, 0, 4, 0, 0, 0, 2, depth, colour, 0, 0, 0])), (b"IDAT", zlib.compress(body))]
    whole = b"\x89PNG\r\n\x1a\n"
    for tag, data in (*chunks, (b"IEND", b"")):
        whole += len(data).to_bytes(4, "big") + tag + data + zlib.crc32(tag + data).to_bytes(4, "big")
    return whole


@pytest.mark.parametrize(
    ("depth", "colour", "row"), [(2, 0, b"\0\x1b"), (4, 0, b"\0\x12\x34"), (16, 2, b"\0" + bytes(range(24)))]
)
def test_labels_whose_samples_the_decoder_would_change_are_refused(tmp_path, depth, colour, row):
    (tmp_path / "a.png").write_bytes(raw_png(depth, colour, row * 2))
    assert read_image(tmp_path / "a.png").size == (2, 4)  # a good photo, but no labels
    with pytest.raises(DataError, match=f"{depth} bits"):
        read_png(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["I;16", "LA"])
def test_labels_of_another_mode_are_refused(tmp_path, mode):
    Pillow.new(mode, (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="8-bit"):
        read_png(tmp_path / "a.png")


def test_a_label_file_must_be_a_png(tmp_path):
    Pillow.fromarray(NOISE).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    with pytest.raises(DataError, match="PNG"):
        read_png(tmp_path / "a.png")
