"""What a caller may pass: photos as paths, bytes, Pillow images or arrays, class names as lists, texts or files."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.inputs import as_image, as_vocabulary, several
from retclip.errors import DataError
from retclip.types import Image, Vocabulary

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.fixture
def path(tmp_path):
    """A photo on disk."""
    file = tmp_path / "photo.png"
    Pillow.fromarray(PIXELS).save(file)
    return file


class Place:
    """A path of another library."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


def test_a_photo_is_a_path_a_text_an_array_or_an_image(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in (path, str(path), "photo.png", Place(path), PIXELS, Image(PIXELS, "0" * 64)):
        assert as_image(given).pixels.tolist() == PIXELS.tolist()
    assert as_image("photo.png").uri == str(path)  # known by its whole path, wherever one stands


def test_a_photo_is_the_bytes_of_a_file_however_they_come(path):
    content = path.read_bytes()
    with path.open("rb") as file:
        found = [as_image(one) for one in (content, bytearray(content), memoryview(content), io.BytesIO(content), file)]
    for one in found:
        assert one.pixels.tolist() == PIXELS.tolist()
        assert one.sha256 == as_image(path).sha256  # the same file, the same identity


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK", "I;16", "LA"])
def test_a_pillow_image_of_any_mode_is_what_its_file_is(tmp_path, mode):
    grey = Pillow.linear_gradient("L").resize((16, 9))
    image = grey.point(lambda value: value * 257).convert("I;16") if mode == "I;16" else grey.convert(mode)
    file = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    image.save(file)
    loose, read = as_image(image), as_image(file)
    assert loose.pixels.shape == (9, 16, 3) and loose.pixels.dtype == np.uint8
    assert np.abs(loose.pixels.astype(int) - read.pixels).max() <= 1
    assert loose.uri == "Pillow image"
    assert as_image(Pillow.open(file)).uri == str(file)


def test_a_pillow_image_is_turned_as_its_exif_data_say_like_the_file(tmp_path):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Pillow.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    turned = as_image(Pillow.open(tmp_path / "turned.png"))
    assert turned.pixels.tolist() == np.rot90(PIXELS, -1).tolist()
    assert turned.pixels.tolist() == as_image(tmp_path / "turned.png").pixels.tolist()


def test_a_pillow_image_of_a_file_that_is_cut_off_is_refused_in_three_parts(path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Pillow.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="a whole photo"):
        as_image(Pillow.open(path))


@pytest.mark.parametrize(
    "given", [3, None, [1, 2], PIXELS[0, 0], PIXELS.astype(float), b"", b"no photo", io.StringIO("text"), "gone.png"]
)
def test_anything_else_is_refused_in_three_parts(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        as_image(given)
    assert caught.value.expected
    assert caught.value.todo


def test_several_are_a_list_a_tuple_or_what_gives_one_after_the_other():
    assert all(map(several, ([], [PIXELS], (PIXELS,), iter([PIXELS]), (one for one in [PIXELS]))))
    assert not any(map(several, (PIXELS, "photo.png", b"...", Pillow.fromarray(PIXELS), Image(PIXELS, "0" * 64))))


def test_names_are_a_list_a_comma_list_a_file_or_a_vocabulary(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("sky\ncar\n")
    given = Vocabulary(("sky", "car"), (None, None))
    names = (["sky", "car"], ("sky", "car"), "sky, car", str(path), path, Place(path), given, iter(["sky", "car"]))
    for one in (*names, {"sky": 1, "car": 2}.keys(), np.array(["sky", "car"])):
        assert as_vocabulary(one).names == ("sky", "car")
    assert as_vocabulary(given) is given
    assert as_vocabulary(None) is None


def test_a_path_is_never_taken_for_a_name(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        as_vocabulary(tmp_path / "sky")


@pytest.mark.parametrize("given", [3, {"sky": 1}, b"sky", 2.5])
def test_what_holds_no_names_is_refused_in_three_parts(given):
    with pytest.raises(DataError, match="class names, a file of them or a Vocabulary"):
        as_vocabulary(given)
