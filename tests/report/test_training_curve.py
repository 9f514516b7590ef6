"""The curve of a run is a picture, whatever has been measured so far."""

import numpy as np
import pytest

from retclip.data.images import read_png
from retclip.report.training_curve import DOTS, SIZE, write_curve

STEPS = [
    {"step": n, "losses": {"class": 1 / n, "mask": 2 / n, "class_0": 9.0}, "total": 3 / n, "learning_rate": 0.1}
    for n in range(1, 6)
]
CHECKS = [{"step": 3, "validation": {"pq": 10.0, "miou": 20.0}}]


@pytest.mark.parametrize("lines", [[], STEPS, STEPS + CHECKS, CHECKS])
def test_a_png_of_the_stated_size_is_written(tmp_path, lines):
    write_curve(tmp_path / "curve.png", lines)
    found = read_png(tmp_path / "curve.png")
    assert found.shape[:2] == (round(SIZE[1] * DOTS), round(SIZE[0] * DOTS))


def test_more_measurements_draw_more(tmp_path):
    ink = []
    for lines in ([], STEPS, STEPS + CHECKS):
        write_curve(tmp_path / "curve.png", lines)
        ink.append(int((np.asarray(read_png(tmp_path / "curve.png"))[..., :3] < 250).sum()))
    assert ink[0] < ink[1] < ink[2]
