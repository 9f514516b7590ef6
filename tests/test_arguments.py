"""What a caller may pass: photos as paths, arrays or images, class names as lists, texts, files or vocabularies."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.arguments import as_image, as_vocabulary
from retclip.errors import DataError
from retclip.types import Image, Vocabulary

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_a_photo_is_a_path_a_text_an_array_or_an_image(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    Pillow.fromarray(PIXELS).save(path)
    monkeypatch.chdir(tmp_path)
    for given in (path, str(path), "photo.png", PIXELS, Image(PIXELS, "0" * 64)):
        assert as_image(given).pixels.tolist() == PIXELS.tolist()
    assert as_image("photo.png").uri == str(path)  # known by its whole path, wherever one stands


@pytest.mark.parametrize("given", [3, None, [1, 2], PIXELS[0, 0], PIXELS.astype(float)])
def test_anything_else_is_refused_in_three_parts(given):
    with pytest.raises(DataError) as caught:
        as_image(given)
    assert caught.value.expected
    assert caught.value.todo


def test_names_are_a_list_a_comma_list_a_file_or_a_vocabulary(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("sky\ncar\n")
    given = Vocabulary(("sky", "car"), (None, None))
    for names in (["sky", "car"], ("sky", "car"), "sky, car", str(path), given):
        assert as_vocabulary(names).names == ("sky", "car")
    assert as_vocabulary(given) is given
    assert as_vocabulary(None) is None
