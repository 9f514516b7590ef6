"""EXIF orientations: as Pillow turns them, places as their pixels."""

import numpy as np
import pytest
from PIL import ExifTags, ImageOps
from PIL import Image as Pillow

from retclip.data.images import read_image
from retclip.data.orientation import turned, turned_corner, turned_point

STORED = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize("orientation", range(9))
def test_arrays_are_turned_as_pillow_turns_photos(orientation):
    photo = Pillow.fromarray(STORED)
    photo.getexif()[ExifTags.Base.Orientation] = orientation
    assert np.array_equal(turned(STORED, orientation), np.asarray(ImageOps.exif_transpose(photo)))
    layers = np.stack([STORED, STORED + 100], axis=-1)
    assert np.array_equal(turned(layers, orientation)[..., 0], turned(STORED, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_point_stays_on_its_pixel(orientation):
    upright = turned(STORED, orientation)
    for y in range(3):
        for x in range(4):
            for fraction in (0.0, 0.25, 0.5):
                new_x, new_y = turned_point(x + fraction, y + fraction, (3, 4), orientation)
                assert upright[int(new_y), int(new_x)] == STORED[y, x]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_corners_of_a_box_stay_round_its_pixels(orientation):
    marked = np.zeros((3, 4), bool)
    marked[1:3, 0:2] = True
    corners = [turned_corner(x, y, (3, 4), orientation) for x, y in ((0, 1), (2, 3))]
    (x0, x1), (y0, y1) = (sorted(int(corner[axis]) for corner in corners) for axis in (0, 1))
    found = np.zeros_like(turned(marked, orientation))
    found[y0:y1, x0:x1] = True
    assert np.array_equal(found, turned(marked, orientation))


@pytest.mark.parametrize(("tag", "orientation"), [(6, 6), (1, 1), (0, 1), (9, 1), (None, 1)])
def test_a_photo_says_how_it_was_turned(tmp_path, tag, orientation):
    exif = Pillow.Exif()
    if tag is not None:
        exif[ExifTags.Base.Orientation] = tag
    Pillow.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg")
    assert image.orientation == orientation and image.size == ((8, 4) if tag == 6 else (4, 8))
