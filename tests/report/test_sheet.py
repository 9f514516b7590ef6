"""The sheet: texts stay within their width and on one line, pictures within their room."""

import numpy as np
import pytest

from retclip.report.sheet import PAPER, Sheet, shortened

RED = (200, 0, 0)


def dark(pixels):
    """The rows and columns that hold anything."""
    drawn = (pixels != np.array(PAPER)).any(axis=2)
    return np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))


def test_a_paragraph_is_broken_between_words_and_stays_in_its_width():
    sheet = Sheet(400, 300)
    bottom = sheet.paragraph((10, 20), "one two three four five six seven eight nine ten", 120)
    rows, columns = dark(sheet.pixels(300))
    assert columns.min() >= 10 and columns.max() <= 130
    assert rows.max() < bottom and rows.max() - rows.min() > 30  # several lines


def test_a_line_break_in_a_name_moves_nothing():
    plain, odd = Sheet(200, 60), Sheet(200, 60)
    plain.text((5, 5), "a\\nb")
    odd.text((5, 5), "a\nb")
    assert (plain.pixels(60) == odd.pixels(60)).all()


@pytest.mark.parametrize(("shape", "size"), [((20, 40, 3), (60, 30)), ((40, 20, 3), (20, 40)), ((40, 60, 3), (60, 40))])
def test_a_picture_fits_into_its_room_and_keeps_its_shape(shape, size):
    sheet = Sheet(100, 100)
    assert sheet.picture((10, 10), np.zeros(shape, np.uint8), (60, 40), RED) == size
    rows, columns = dark(sheet.pixels(100))
    assert (columns.max() - columns.min() + 1, rows.max() - rows.min() + 1) == size
    assert (sheet.pixels(100)[10, 10] == RED).all()


def test_a_picture_of_the_room_s_size_is_not_touched():
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    sheet = Sheet(100, 100)
    sheet.picture((10, 10), pixels, (60, 40), RED, 1)
    assert (sheet.pixels(100)[11:49, 11:69] == pixels[1:-1, 1:-1]).all()


def test_a_bar_is_as_long_as_its_share():
    for share, length in ((0.5, 51), (1.0, 101), (7.0, 101), (0.0, 1)):
        sheet = Sheet(200, 40)
        sheet.bar((10, 10), share, 100, RED)
        _, columns = dark(sheet.pixels(40))
        assert len(columns) == length


def test_the_sheet_ends_where_it_is_told():
    assert Sheet(50, 30).pixels(20).shape == (20, 50, 3)
    assert Sheet(50, 30).pixels(40).shape == (40, 50, 3)


def test_a_long_name_keeps_its_end():
    assert shortened("short.jpg", 20) == "short.jpg"
    assert shortened("a" * 40 + "_0017.jpg", 20).endswith("_0017.jpg")
    assert len(shortened("a" * 40, 20)) == 20
