"""What in a drawn PNG is the object: also where a program that packs PNGs numbered its colours anew."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.readers.regions.drawn_mask import drawn_mask
from retclip.errors import DataError

INDICES = np.array([[0, 0, 1], [2, 0, 0]], np.uint8)
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)


def png(path, indices, *palette, **options):
    image = Pillow.fromarray(indices, mode="P")
    image.putpalette([sample for colour in palette for sample in colour])
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    "palette",
    [(BLACK, WHITE, RED), (WHITE, RED, (7, 7, 7)), (BLACK, BLACK, BLACK), (WHITE, WHITE, WHITE)],
)
@pytest.mark.parametrize("bits", [2, 8])
def test_an_index_that_is_not_0_is_the_object(tmp_path, palette, bits):
    assert (drawn_mask(png(tmp_path / "m.png", INDICES, *palette, bits=bits)) == (INDICES > 0)).all()


@pytest.mark.parametrize(("indices", "palette"), [(INDICES, (WHITE, BLACK, BLACK)), (INDICES, (RED, BLACK, WHITE)),
                                                  (INDICES + 1, (RED, BLACK, WHITE, RED))])  # fmt: skip
def test_indices_that_say_the_contrary_of_their_colours_are_refused(tmp_path, indices, palette):
    with pytest.raises(DataError, match="0 beside the object") as caught:
        drawn_mask(png(tmp_path / "m.png", indices, *palette))
    assert "m.png" in caught.value.expected and "another index is black" in caught.value.got


def test_a_mask_that_was_packed_as_a_palette_is_not_turned_inside_out(tmp_path):
    drawn = np.zeros((16, 16, 3), np.uint8)
    drawn[2:5, 2:5] = 255
    Pillow.fromarray(drawn).quantize(2).save(tmp_path / "m.png")  # its brightest colour becomes 0
    with pytest.raises(DataError, match="save it as grey"):
        drawn_mask(tmp_path / "m.png")


def test_transparency_that_may_say_another_thing_is_refused(tmp_path):
    grey, colours = Pillow.fromarray(INDICES), Pillow.fromarray(np.repeat(INDICES[..., None], 3, axis=2))
    png(tmp_path / "index.png", INDICES, BLACK, WHITE, RED, transparency=1)
    grey.save(tmp_path / "grey.png", transparency=2)
    colours.save(tmp_path / "colours.png", transparency=(2, 2, 2))
    Pillow.fromarray(np.zeros((2, 3, 4), np.uint8)).save(tmp_path / "channel.png")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(DataError, match="without transparency"):
            drawn_mask(path)


def test_what_is_0_may_be_transparent(tmp_path):
    png(tmp_path / "index.png", INDICES, BLACK, WHITE, RED, transparency=0)
    Pillow.fromarray(INDICES).save(tmp_path / "grey.png", transparency=0)
    for path in sorted(tmp_path.iterdir()):
        assert (drawn_mask(path) == (INDICES > 0)).all()
