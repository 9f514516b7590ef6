"""Every damaged or hostile file of the corpus is refused by name; every file that is only odd is read."""

import resource
from pathlib import Path

import numpy as np
import pytest

from retclip.data.image_folder import ImageFolder, ImageFolderSettings
from retclip.data.images import decode, file_digest, read_image
from retclip.errors import DataError
from retclip.limits import Limits

KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF"]
SIZES = {  # of the odd files that are not 24 x 32
    "one_pixel.png": (1, 1), "aspect_50.png": (10, 500), "one_bit.png": (9, 9), "sixteen_bit.png": (9, 9),
    "unknown_chunk.png": (9, 9), "second_page_is_the_first.tif": (4, 4), "second_page_beyond_the_end.tif": (4, 4),
    "second_page_is_garbage.tif": (4, 4), "top_down.bmp": (4, 4),
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, hostile) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    good, bad = hostile.write_corpus(folder)
    assert len(good) >= 30
    assert len(bad) >= 60
    assert {path.name for path in (*good, *bad)} == {path.name for path in folder.iterdir()}
    return folder


def test_a_bad_file_is_refused_by_name(corpus, refused, bad_name):
    refused(lambda: read_image(corpus / bad_name), str(corpus / bad_name))


def test_an_odd_file_is_read(corpus, good_name):
    image = read_image(corpus / good_name)
    assert image.size == SIZES.get(good_name, (24, 32))
    assert image.pixels.shape[2:] == (3,)
    assert image.pixels.dtype == np.uint8
    assert image.sha256 == file_digest(corpus / good_name)
    assert image.uri == str(corpus / good_name)


@pytest.mark.parametrize(
    "name",
    [
        "no_suffix", "trailing_garbage.jpg", "garbage_exif.jpg", "exif_beyond_the_end.jpg", "exif_orientation_99.jpg",
        "new\nline.jpg",
    ],
)  # fmt: skip
def test_what_is_odd_about_a_file_does_not_change_its_pixels(corpus, name):
    assert np.array_equal(read_image(corpus / name).pixels, read_image(corpus / "plain.jpg").pixels)


@pytest.mark.parametrize("name", ["animated.png", "pages.tif", "png_named.jpg", "trailing_garbage.png", "alpha.webp"])
def test_lossless_odd_files_keep_every_pixel_of_the_first_frame(corpus, name, hostile):
    assert np.array_equal(read_image(corpus / name).pixels, hostile.PHOTO)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused_or_read_but_never_a_crash(kind, hostile):
    whole = hostile.photo(kind)
    refused = 0
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        try:
            assert decode(whole[:end], "cut").size == (24, 32)
        except DataError:
            refused += 1
    assert refused >= 40


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes_are_refused_or_read_but_never_a_crash(kind, hostile):
    random, whole = np.random.default_rng(1), hostile.photo(kind)
    limits = Limits(image_pixels=100_000)  # a flip may ask for a large image, and a test should not decode it
    for _ in range(120):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        at = random.integers(0, min(len(whole), 400), 4)  # the head, where the structure lies
        damaged[at] = random.integers(0, 256, 4)
        try:
            assert decode(damaged.tobytes(), "flipped", limits).pixels.dtype == np.uint8
        except DataError as error:
            assert "flipped" in error.expected


def test_a_bomb_is_refused_before_it_is_decoded(corpus, hostile):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in hostile.BAD:
        if "bomb" in name or "huge" in name:
            with pytest.raises(DataError):
                read_image(corpus / name)
    with pytest.raises(DataError, match="MiB"):
        read_image(corpus / "over_the_byte_limit.jpg")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000  # KiB; the smallest of them would take 192 MB decoded


def test_refused_files_are_closed_again(corpus, hostile):
    def count():
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("counts open files in /proc")
    before = count()
    for name in (*hostile.BAD, *hostile.SPECIAL):
        with pytest.raises(DataError):
            read_image(corpus / name)
    assert count() <= before


def test_a_folder_lists_the_bad_files_as_well_and_each_says_why(corpus, hostile):
    source, failed = ImageFolder(ImageFolderSettings(path=str(corpus))), set()
    records, unlike = list(source.images()), {"no_suffix", "truncated.JPEG2000"}
    assert {one.external_id for one in records} == {*hostile.GOOD, *hostile.BAD, *hostile.SPECIAL} - unlike
    assert source.passed_over().counts == {
        "files that are not read (no ending)": 1, "files that are not read (.jpeg2000)": 1,
    }  # fmt: skip
    for one in records:
        try:
            one.load()
        except DataError:
            failed.add(one.external_id)
    assert failed == {*hostile.BAD, *hostile.SPECIAL} - unlike
