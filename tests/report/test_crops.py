"""Crops: the box with a margin, what is outside the mask faded, and only from the photo that was meant."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from retclip.report import crops
from retclip.report.crops import CropCutter
from retclip.types import Image as Image_


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest(), pixels


def test_a_crop_is_the_box_with_a_margin_cut_at_the_edges(photo):
    path, sha256, pixels = photo
    inner = CropCutter().cut(str(path), sha256, (40, 30, 60, 50))  # margin int(20 * 0.15) + 2 = 5
    assert (inner == pixels[25:55, 35:65]).all()
    corner = CropCutter().cut(str(path), sha256, (0, 0, 20, 10))
    assert (corner == pixels[0:15, 0:25]).all()
    assert CropCutter().cut(str(path), sha256, (0, 0, 100, 80)).shape == (80, 100, 3)


def test_what_is_outside_the_mask_is_faded_and_the_inside_kept(photo):
    path, sha256, pixels = photo
    mask = np.zeros((80, 100), dtype=bool)
    mask[30:50, 40:60] = True
    crop = CropCutter().cut(str(path), sha256, (40, 30, 60, 50), mask)
    assert (crop[5:25, 5:25] == pixels[30:50, 40:60]).all()
    assert crop[:5].min() >= 160
    assert crop[:5].max() <= 250


def test_a_mask_of_another_size_is_not_used(photo):
    path, sha256, pixels = photo
    crop = CropCutter().cut(str(path), sha256, (40, 30, 60, 50), np.zeros((8, 10), dtype=bool))
    assert (crop == pixels[25:55, 35:65]).all()


def test_a_photo_that_is_gone_or_was_replaced_gives_none(photo, tmp_path):
    path, sha256, _ = photo
    assert CropCutter().cut(str(tmp_path / "gone.png"), sha256, (0, 0, 5, 5)) is None
    Image.new("RGB", (100, 80)).save(path)
    assert CropCutter().cut(str(path), sha256, (0, 0, 5, 5)) is None
    assert CropCutter().cut("array", sha256, (0, 0, 5, 5)) is None


def test_each_photo_is_decoded_once_while_it_is_remembered(photo, tmp_path, monkeypatch):
    path, sha256, _ = photo
    read = []
    original = crops.read_image
    monkeypatch.setattr(crops, "read_image", lambda path: read.append(path.name) or original(path))
    cutter = CropCutter()
    for _ in range(3):
        cutter.cut(str(path), sha256, (0, 0, 5, 5))
    assert read == ["photo.png"]
    for number in range(crops.CACHE_IMAGES):
        cutter.cut(str(tmp_path / f"gone{number}.png"), sha256, (0, 0, 5, 5))
    assert cutter.cut(str(path), sha256, (0, 0, 5, 5)) is not None
    assert read.count("photo.png") == 2


def test_the_whole_photo_fits_its_room_with_the_mask_clear_and_its_box_framed(photo):
    path, sha256, pixels = photo
    mask = np.zeros((80, 100), dtype=bool)
    mask[30:50, 40:60] = True
    red = (220, 20, 60)
    whole = CropCutter().whole(str(path), sha256, (40, 30, 60, 50), mask, red, (100, 200))
    assert whole.shape == (80, 100, 3)  # the width decides; it keeps its shape
    assert (whole[31:50, 41:60] == pixels[31:50, 41:60]).all()
    assert (whole[28:30, 38:60] == red).all() and (whole[38:50, 38:40] == red).all()
    assert whole[:20].min() >= 160  # faded
    half = CropCutter().whole(str(path), sha256, (0, 0, 100, 80), None, red, (50, 50))
    assert half.shape == (40, 50, 3)
    large = CropCutter().whole(str(path), sha256, (0, 0, 10, 10), mask, red, (200, 400))
    assert large.shape == (160, 200, 3)
    assert CropCutter().whole(str(path), "0" * 64, (0, 0, 5, 5), None, red, (50, 50)) is None


def test_a_photo_at_hand_is_not_read_unless_it_is_another(photo):
    path, sha256, pixels = photo
    at_hand = Image_(255 - pixels, "f" * 64, "PIL image")
    cutter = CropCutter({"PIL image": at_hand, str(path): at_hand})
    assert (cutter.cut("PIL image", "f" * 64, (40, 30, 60, 50)) == 255 - pixels[25:55, 35:65]).all()
    assert (cutter.cut(str(path), sha256, (40, 30, 60, 50)) == pixels[25:55, 35:65]).all()
