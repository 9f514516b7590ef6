"""Which PNG is the mask of which photo, and what in it is the object."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.region_masks import is_mask, masks_of, read_object

OBJECT = np.array([[0, 0, 3], [9, 0, 0]], np.uint8)


def png(path, pixels=OBJECT, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels).save(path, **options)
    return path


def test_masks_in_a_folder_of_their_own_are_named_like_the_photos(tmp_path):
    photos = [tmp_path / "photos" / name for name in ("a.jpg", "b.png", "c.tif")]
    for name in ("a.png", "b_mask.png", "c.MASK.png", ".hidden.png", "notes.txt"):
        png(tmp_path / "masks" / name) if name.endswith("png") else (tmp_path / "masks" / name).write_text("")
    found = masks_of(photos, tmp_path / "masks")
    assert [found[one].name for one in photos] == ["a.png", "b_mask.png", "c.MASK.png"]


def test_masks_beside_the_photos_have_an_ending(tmp_path):
    photo = png(tmp_path / "a.png")
    png(tmp_path / "b.png")  # another photo, which nobody named
    png(tmp_path / "a_mask.png")
    assert masks_of([photo], tmp_path) == {photo: tmp_path / "a_mask.png"}
    assert is_mask(tmp_path / "a_mask.png") and not is_mask(photo) and not is_mask(tmp_path / "a_mask.jpg")


def test_one_png_for_one_photo(tmp_path):
    mask = png(tmp_path / "anything.png")
    assert masks_of([tmp_path / "a.jpg"], mask) == {tmp_path / "a.jpg": mask}


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
    found = read_object(tmp_path / "mask.png", (2, 3))
    assert found.dtype == bool and (found == wanted).all()
