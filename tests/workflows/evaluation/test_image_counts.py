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


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"number": 1}'])
def test_another_line_is_refused(line):
    with pytest.raises(DataError, match="evaluate again into a new folder"):
        counts_of_line(line)
