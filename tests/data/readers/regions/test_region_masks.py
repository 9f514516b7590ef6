"""Which PNG is the mask of which photo, and what in it is the object."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.images import from_array
from retclip.data.readers.regions.region_masks import is_mask, masks_of, read_object
from retclip.errors import DataError
from retclip.passed_over import Tally

PHOTO = AnnotatedPhoto(from_array(np.zeros((2, 3), np.uint8)), "upright")
OBJECT = np.array([[0, 0, 3], [9, 0, 0]], np.uint8)


def png(path, pixels=OBJECT, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels).save(path, **options)
    return path


def test_masks_in_a_folder_of_their_own_are_named_like_the_photos(tmp_path):
    photos = [tmp_path / "photos" / name for name in ("a.jpg", "b.png", "c.tif")]
    for name in ("a.png", "b_mask.png", "c.MASK.png", ".hidden.png", "notes.txt"):
        png(tmp_path / "masks" / name) if name.endswith("png") else (tmp_path / "masks" / name).write_text("")
    found = masks_of(photos, tmp_path / "masks", Tally())
    assert [found[one].name for one in photos] == ["a.png", "b_mask.png", "c.MASK.png"]


def test_masks_beside_the_photos_have_an_ending(tmp_path):
    photo = png(tmp_path / "a.png")
    png(tmp_path / "b.png")  # another photo, which nobody named
    png(tmp_path / "a_mask.png")
    assert masks_of([photo], tmp_path, Tally()) == {photo: tmp_path / "a_mask.png"}
    assert is_mask(tmp_path / "a_mask.png") and not is_mask(photo) and not is_mask(tmp_path / "a_mask.jpg")


def test_pictures_beside_a_photo_s_png_are_told_and_one_that_is_no_png_too(tmp_path):
    photos = [tmp_path / "photos" / f"{name}.jpg" for name in "abc"]
    for name in ("a.png", "a.tif", "b.bmp", "c.png", "z.tif"):
        png(tmp_path / "masks" / name)
    found, tally = masks_of(photos, tmp_path / "masks", Tally()), Tally()
    assert [found[photo].got for photo in photos[:2]] == ["a.png and a.tif", "b.bmp"]
    assert found[photos[2]].name == "c.png" and not tally.total


def test_one_png_for_one_photo(tmp_path):
    mask = png(tmp_path / "anything.png")
    assert masks_of([tmp_path / "a.jpg"], mask, Tally()) == {tmp_path / "a.jpg": mask}


@pytest.mark.parametrize("form", ["grey", "bits", "palette", "colours"])
def test_whatever_is_not_0_is_the_object_however_many_parts(tmp_path, form):
    pixels, wanted = OBJECT, OBJECT > 0
    if form == "colours":
        pixels = np.stack([OBJECT, np.zeros_like(OBJECT), OBJECT * 2], axis=-1)
    image = Pillow.fromarray(pixels)
    if form == "bits":
        image = Pillow.fromarray(wanted)
    if form == "palette":
        image = Pillow.fromarray(OBJECT, mode="P")
        image.putpalette([7, 7, 7] * 256)  # the index counts, not the colour
    image.save(tmp_path / "mask.png")
    found = read_object(tmp_path / "mask.png", PHOTO)
    assert found.dtype == bool and (found == wanted).all()


def test_a_photo_without_a_mask_of_its_own_costs_that_photo(tmp_path):
    photos = [tmp_path / "photos" / name for name in ("a.jpg", "b.jpg", "c.jpg", "c.png", "d.jpg", "\u00e9.jpg")]
    for name in ("a.png", "c.png", "d.png", "d_mask.png", "e\u0301.png", "z.png"):
        png(tmp_path / "masks" / name)
    tally = Tally()
    found = masks_of(photos, tmp_path / "masks", tally)
    assert [one.name if not isinstance(one, DataError) else one.got for one in found.values()] == [
        "a.png", f"none for {photos[1]}", "2 named c", "2 named c", "d.png and d_mask.png", "e\u0301.png",
    ]  # fmt: skip
    assert [part.record for part in tally.total.bad] == ["z.png"]
