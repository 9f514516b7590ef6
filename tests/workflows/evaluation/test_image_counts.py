"""A line of counts: what is no such line is refused in three parts. Round trips: test_image_table."""

import pytest

from retclip.algorithms.average_precision import ClassInImage
from retclip.errors import DataError
from retclip.passed_over import BadPart, PassedOver
from retclip.workflows.evaluation.image_counts import ImageCounts, counts_of_line


def test_everything_comes_back():
    left_out = PassedOver({"crowds": 2}, (BadPart("row 1", "/x", "torn"),), {"turned": 1})
    entry = ClassInImage([0.5], [4.0], [], None)
    one = ImageCounts(
        3, "a.jpg", [(0, 1, 0, 2, 1 / 3)], [(0, 1, 7)], [(0, 1, 2, 3)], [(14, 1, 0.97, 1)], {2: entry}, 1, 2, 0.1 + 0.2,
        "nobody looked", left_out,
    )  # fmt: skip
    back = counts_of_line(one.as_line())
    assert (back.number, back.name, back.accuracy, back.no_precision) == (3, "a.jpg", 0.1 + 0.2, "nobody looked")
    assert (back.quality, back.passed_over) == ([(0, 1, 0, 2, 1 / 3)], left_out)
    assert back.precision[2].overlaps is None and back.precision[2].scores == [0.5]
    assert "\n" not in one.as_line()


def test_no_digit_of_a_line_changes_without_a_word():
    one = ImageCounts(3, "a.jpg", [(0, 1, 0, 2, 0.25)], [(0, 1, 7)], [], [], None, 1, 2, 0.5)
    line = one.as_line()
    for place, letter in enumerate(line):
        for other in {chr(ord(letter) ^ bit) for bit in (1, 2, 4, 8, 16, 32, 64)}:
            with pytest.raises(DataError, match="evaluate again into a new folder"):
                counts_of_line(line[:place] + other + line[place + 1 :])


def test_a_line_from_before_there_were_checksums_is_read():
    one = ImageCounts(3, "a.jpg", [(0, 1, 0, 2, 0.25)], [(0, 1, 7)], [], [], None, 1, 2, 0.5)
    earlier = one.as_line().partition(', "crc32"')[0] + "}"
    assert counts_of_line(earlier).as_line() == one.as_line()


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", "7", '{"number": 1}'])
def test_another_line_is_refused(line):
    with pytest.raises(DataError, match="evaluate again into a new folder"):
        counts_of_line(line)
